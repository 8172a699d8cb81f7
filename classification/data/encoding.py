"""Texts to token ids, cut to what the model reads; special tokens stay where the tokenizer put them."""

from __future__ import annotations

from collections.abc import Sequence

from datasets import Features, List, Value
from transformers import PreTrainedTokenizerBase

from classification.data.truncation import Truncation


def features(tokenizer: PreTrainedTokenizerBase, truncation: Truncation) -> Features:
    """The columns that `encode_batch` returns. Unsaid, `datasets` would look at every token to find out."""
    columns = {}
    for name in tokenizer("text"):
        tokens = List(Value("int8" if name in ("attention_mask", "token_type_ids") else "int32"))
        columns[name] = List(tokens) if truncation.in_windows else tokens
    return Features(columns | {"read_length": Value("int32"), "full_length": Value("int32")})


def encode_batch(
    batch: dict[str, list], *, tokenizer: PreTrainedTokenizerBase, max_length: int, truncation: Truncation
) -> dict[str, list]:
    """Token ids of a batch of texts or pairs, cut to `max_length`, unpadded.

    A pair whose second text is blank is a single text, without a second separator.

    Returns ragged `input_ids`, `attention_mask` and, where the model has segments, `token_type_ids`: one list a row, or
    with windows a list of lists. `full_length` counts the tokens before the cut, `read_length` those that the model
    reads.
    """
    texts = batch["text"]
    pairs = batch.get("text_pair", [""] * len(texts))
    blank = [not pair.strip() for pair in pairs]
    parts = {}  # keyed by whether the second text is blank
    for kind in set(blank):
        first = [text for text, is_blank in zip(texts, blank, strict=True) if is_blank == kind]
        second = None if kind else [pair for pair, is_blank in zip(pairs, blank, strict=True) if not is_blank]
        encoding = tokenizer(first, second, verbose=False)
        full_lengths = [len(ids) for ids in encoding["input_ids"]]
        part = {name: list(values) for name, values in encoding.items()} | {"read_length": full_lengths[:]}
        for row, length in enumerate(full_lengths):
            windows = [range(length)]
            if length > max_length:
                windows = cut(texts_of_tokens(tokenizer, encoding, row, first[row]), max_length, truncation)
                part["read_length"][row] = len(set().union(*windows))
            if truncation.in_windows or length > max_length:
                for name in encoding:
                    kept = [list(map(encoding[name][row].__getitem__, window)) for window in windows]
                    part[name][row] = kept if truncation.in_windows else kept[0]
        parts[kind] = part | {"full_length": full_lengths}
    if len(parts) == 1:
        return parts[blank[0]]
    rows = {kind: {name: iter(values) for name, values in part.items()} for kind, part in parts.items()}
    return {name: [next(rows[kind][name]) for kind in blank] for name in parts[True]}


def texts_of_tokens(tokenizer: PreTrainedTokenizerBase, encoding, row: int, first: str) -> list[int | None]:
    """For each token of a row the text that it is from: 0, 1, or None for the special tokens around them."""
    if tokenizer.is_fast:
        return encoding.sequence_ids(row)
    ids = encoding["input_ids"][row]
    special = tokenizer.get_special_tokens_mask(ids, already_has_special_tokens=True)
    left = len(tokenizer(first, add_special_tokens=False, verbose=False)["input_ids"])
    owners: list[int | None] = []
    for is_special in special:
        owners.append(None if is_special else int(left <= 0))
        left -= not is_special
    return owners


def cut(owners: list[int | None], max_length: int, truncation: Truncation) -> list[list[int]]:
    """The positions that each window keeps; special tokens stay where they are, in every window."""
    special = [*positions_of(None, owners)]
    texts = [positions_of(text, owners) for text in (0, 1) if text in owners]
    chosen = truncation.windows([len(positions) for positions in texts], max_length - len(special))
    return [
        sorted(special + [positions[i] for positions, kept in zip(texts, window, strict=True) for i in kept])
        for window in chosen
    ]


def positions_of(text: int | None, owners: list[int | None]) -> Sequence[int]:
    """Where the tokens of a text stand: a range where they stand side by side, as most do, for it is made at once."""
    count = owners.count(text)
    first = owners.index(text) if count else 0
    if owners[first : first + count].count(text) == count:
        return range(first, first + count)
    found = [first]
    while len(found) < count:
        found.append(owners.index(text, found[-1] + 1))
    return found
