"""Texts to token ids, cut to the tokens that the model reads; special tokens keep their places."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from transformers import BatchEncoding, PreTrainedTokenizerBase

from classification.data.truncation import Truncation

if TYPE_CHECKING:
    from datasets import Features

# A text index is 0 for the text, 1 for the second text of a pair, and None for a special token.


@dataclass(frozen=True)
class Encoding:
    """How the splits are tokenised.

    Args:
        cache_dir: folder of the encoded splits; None is the cache of `datasets`.
        num_workers: processes; None for none beside this one.
        overwrite_cache: tokenise again even if the cache has the splits.
        pad_to_max_length: pad every batch to the longest input that the model reads.
    """

    cache_dir: str | None = None
    num_workers: int | None = None
    overwrite_cache: bool = False
    pad_to_max_length: bool = False


def encoded_features(tokenizer: PreTrainedTokenizerBase, truncation: Truncation) -> Features:
    """The columns that `encode_batch` returns; without them, `datasets` would infer the types from every token."""
    from datasets import Features, List, Value

    columns = {}
    for name in tokenizer("text"):
        tokens = List(Value("int8" if name in ("attention_mask", "token_type_ids") else "int32"))
        columns[name] = List(tokens) if truncation.in_windows else tokens
    return Features(columns | {"read_length": Value("int32"), "full_length": Value("int32")})


def encode_batch(
    batch: dict[str, list], *, tokenizer: PreTrainedTokenizerBase, max_length: int, truncation: Truncation
) -> dict[str, list]:
    """Token ids of a batch of texts or pairs, cut to `max_length`, not padded.

    A pair with a blank second text is encoded as a single text, without a second separator.

    Returns:
        Ragged `input_ids`, `attention_mask` and, if the model has segments, `token_type_ids`: one list per row, or
        with windows a list of lists. `full_length` is the number of tokens before the cut, `read_length` the number
        that the model reads.
    """
    texts = batch["text"]
    pairs = batch.get("text_pair", [""] * len(texts))
    is_single = [not pair.strip() for pair in pairs]
    parts = {}
    for single in set(is_single):
        first = [text for text, flag in zip(texts, is_single, strict=True) if flag == single]
        second = None if single else [pair for pair, flag in zip(pairs, is_single, strict=True) if not flag]
        parts[single] = encode_alike(first, second, tokenizer, max_length, truncation)
    if len(parts) == 1:
        return parts[is_single[0]]
    rows = {single: {name: iter(values) for name, values in part.items()} for single, part in parts.items()}
    return {name: [next(rows[single][name]) for single in is_single] for name in parts[True]}


def encode_alike(
    texts: list[str], pairs: list[str] | None, tokenizer: PreTrainedTokenizerBase, max_length: int,
    truncation: Truncation,
) -> dict[str, list]:  # fmt: skip
    """`encode_batch` for rows that are all single texts (`pairs` is None) or all pairs."""
    encoding = tokenizer(texts, pairs, verbose=False)
    columns = {name: list(values) for name, values in encoding.items()}
    again, places = read_plainly(columns["input_ids"], texts, pairs, tokenizer)
    for row, place in places.items():
        for name in encoding:
            columns[name][row] = again[name][place]
    full_lengths = [len(ids) for ids in columns["input_ids"]]
    columns["read_length"] = full_lengths[:]
    for row, length in enumerate(full_lengths):
        windows: list[Sequence[int]] = [range(length)]
        if length > max_length:
            source = (again, places[row]) if row in places else (encoding, row)
            windows = [*cut(text_indices(tokenizer, *source, texts[row]), max_length, truncation)]
            columns["read_length"][row] = len(set().union(*windows))
        if truncation.in_windows or length > max_length:
            for name in encoding:
                kept = [list(map(columns[name][row].__getitem__, window)) for window in windows]
                columns[name][row] = kept if truncation.in_windows else kept[0]
    return columns | {"full_length": full_lengths}


def structural_ids(tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """The ids of the tokens that begin, end, separate, pad or mask texts.

    Other special tokens, such as the markers that a user has added, are part of the texts.
    """
    names = ("bos", "eos", "cls", "sep", "pad", "mask")
    ids = (getattr(tokenizer, f"{name}_token_id", None) for name in names)
    return {token for token in ids if token is not None}


def read_plainly(
    ids: list[list[int]], texts: list[str], pairs: list[str] | None, tokenizer: PreTrainedTokenizerBase
) -> tuple[BatchEncoding, dict[int, int]]:
    """The rows whose texts contain structural tokens as text, such as `[SEP]` or `</s>`, encoded as ordinary text.

    The tokenizer takes them for its own, so that a text could end itself, and models that count the end tokens (BART,
    T5) fail. Here they become the tokens of ordinary text, or unknown ones where the vocabulary has no other.

    Args:
        ids: of all rows, as the tokenizer reads them.

    Returns:
        The encoding of these rows, and the place of each in it, by row.
    """
    structural = structural_ids(tokenizer)
    expected = count_tokens(tokenizer("a", None if pairs is None else "a", verbose=False)["input_ids"], structural)
    rows = [row for row, tokens in enumerate(ids) if count_tokens(tokens, structural) != expected]
    if not rows:
        return BatchEncoding({}), {}
    chosen = [texts[row] for row in rows]
    pair = None if pairs is None else [pairs[row] for row in rows]
    again = tokenizer(chosen, pair, verbose=False, split_special_tokens=True)
    unknown = tokenizer.unk_token_id
    for place, tokens in enumerate(again["input_ids"]):
        if unknown is not None and count_tokens(tokens, structural) != expected:
            of_text = text_indices(tokenizer, again, place, chosen[place])
            again["input_ids"][place] = [
                unknown if text is not None and token in structural else token
                for token, text in zip(tokens, of_text, strict=True)
            ]
    return again, {row: place for place, row in enumerate(rows)}


def count_tokens(ids: list[int], wanted: Collection[int]) -> int:
    return sum(map(ids.count, wanted))


def text_indices(
    tokenizer: PreTrainedTokenizerBase, encoding: BatchEncoding, row: int, first_text: str
) -> list[int | None]:
    """The text index of each token of a row."""
    if tokenizer.is_fast:
        return encoding.sequence_ids(row)
    ids = encoding["input_ids"][row]
    special = tokenizer.get_special_tokens_mask(ids, already_has_special_tokens=True)
    left = len(tokenizer(first_text, add_special_tokens=False, verbose=False)["input_ids"])
    indices: list[int | None] = []
    for is_special in special:
        indices.append(None if is_special else int(left <= 0))
        left -= not is_special
    return indices


def cut(indices: list[int | None], max_length: int, truncation: Truncation) -> list[list[int]]:
    """The positions that each window keeps; the special tokens are in every window, at their places.

    Args:
        indices: the text index of each token of a row.
    """
    special = [*positions_of(None, indices)]
    texts = [positions_of(text, indices) for text in (0, 1) if text in indices]
    windows = truncation.windows([len(positions) for positions in texts], max_length - len(special))
    return [
        sorted(special + [positions[i] for positions, kept in zip(texts, window, strict=True) for i in kept])
        for window in windows
    ]


def positions_of(text: int | None, indices: list[int | None]) -> Sequence[int]:
    """The positions of the tokens with one text index: a range where they are contiguous, which is the usual case and
    needs no loop."""
    count = indices.count(text)
    first = indices.index(text) if count else 0
    if indices[first : first + count].count(text) == count:
        return range(first, first + count)
    positions = [first]
    while len(positions) < count:
        positions.append(indices.index(text, positions[-1] + 1))
    return positions
