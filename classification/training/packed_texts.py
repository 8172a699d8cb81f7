"""Texts packed into blocks of full length: no padding, and no token is lost but those of the last, unfinished block."""

from __future__ import annotations

import inspect
import logging
import sys
from dataclasses import dataclass
from functools import partial

import numpy as np
from datasets import Dataset, Features, List, Value
from datasets.fingerprint import Hasher
from transformers import PreTrainedTokenizerBase

from classification.data.arrow_columns import arrow_column
from classification.data.corpus import text_columns
from classification.data.encoded_cache import read_entry, remove_entry, write_entry
from classification.data.encoding import Encoding
from classification.data.findings import agree, quantity
from classification.data.fingerprints import fingerprint, tokenizer_state
from classification.data.sources.cache_folder import cache_folder, disk_errors_named
from classification.errors import UsageError
from classification.training.processes import this_process

logger = logging.getLogger(__name__)

FEATURES = Features({"input_ids": List(Value("int32"))})

# N blocks of T tokens.


@dataclass(frozen=True)
class Frame:
    """The special tokens around and between texts, as the tokenizer sets them.

    Args:
        before, after: of a block, such as [CLS] and [SEP].
        between: the token that ends a text, before the next one.
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    between: int

    @classmethod
    def from_tokenizer(cls, tokenizer: PreTrainedTokenizerBase) -> Frame:
        """
        Raises:
            UsageError: the tokenizer has no mask token, or no token that separates texts.
        """
        place = f"tokenizer {tokenizer.name_or_path}"
        if tokenizer.mask_token_id is None:
            raise UsageError(f"{place}: has no mask token. Name an encoder, such as BERT or MPNet, with its tokenizer.")
        between = tokenizer.sep_token_id if tokenizer.sep_token_id is not None else tokenizer.eos_token_id
        if between is None:
            raise UsageError(f"{place}: has no token that separates texts. Name another encoder.")
        plain = tokenizer("a", add_special_tokens=False)["input_ids"]
        whole = tokenizer("a")["input_ids"]
        first = next((at for at in range(len(whole)) if whole[at : at + len(plain)] == plain), 0)
        return cls(tuple(whole[:first]), tuple(whole[first + len(plain) :]), between)

    def room(self, length: int) -> int:
        """Tokens of texts in a block of `length` tokens.

        Raises:
            UsageError: the special tokens leave no room.
        """
        special = len(self.before) + len(self.after)
        if length <= special:
            raise UsageError(
                f"--max_seq_length {length}: {special} of the tokens are special ones, so that there is no room for a "
                f"text. Pass at least {special + 1}, better 128."
            )
        return length - special


def encode_texts(batch: dict[str, list], *, tokenizer: PreTrainedTokenizerBase, between: int) -> dict[str, list]:
    """Token ids of whole texts; the two texts of a pair are one row, with `between` in the middle."""
    columns = [
        tokenizer(texts, add_special_tokens=False, return_attention_mask=False, verbose=False)["input_ids"]
        for texts in batch.values()
    ]
    if len(columns) == 1:
        return {"input_ids": columns[0]}
    return {"input_ids": [[*first, between, *second] for first, second in zip(*columns, strict=True)]}


@disk_errors_named("--cache_dir")
def tokenise(texts: Dataset, tokenizer: PreTrainedTokenizerBase, frame: Frame, encoding: Encoding) -> Dataset:
    """`input_ids` of each text, without special tokens and uncut; once with `datasets.map`, then from the cache."""
    folder = cache_folder(encoding.cache_dir, "text_classification_encoded")
    texts = texts.select_columns(text_columns(texts))
    source = inspect.getsource(sys.modules[__name__])
    key = Hasher.hash((fingerprint(texts), tokenizer_state(tokenizer), frame.between, source))
    if encoding.overwrite_cache and this_process().is_local_main_process:
        remove_entry(folder, key)
    rows = read_entry(folder, key, len(texts), FEATURES)
    logger.info("cache        texts: %s (%s)", "miss, tokenising" if rows is None else "hit", key)
    if rows is not None:
        return rows
    encode = partial(
        texts.map,
        encode_texts,
        batched=True,
        remove_columns=texts.column_names,
        fn_kwargs={"tokenizer": tokenizer, "between": frame.between},
        features=FEATURES,
        num_proc=encoding.num_workers and min(encoding.num_workers, len(texts)),
        new_fingerprint=key,
        desc="Tokenising texts",
    )
    return write_entry(folder, key, len(texts), FEATURES, encode)


def pack(encoded: Dataset, frame: Frame, length: int) -> np.ndarray:
    """All texts in one row of tokens, `between` after each, cut into blocks: int32 [N, T].

    The tokens that do not fill a block at the end are left out.
    """
    room = frame.room(length)
    column = arrow_column(encoded, "input_ids").combine_chunks()
    tokens = column.flatten().to_numpy()
    lengths = column.value_lengths().to_numpy()
    # `np.insert` puts the separator before the place of each next text, and after the last one.
    stream = np.insert(tokens, np.cumsum(lengths, dtype=np.int64), frame.between).astype(np.int32)
    count = len(stream) // room
    blocks = np.empty((count, length), dtype=np.int32)
    start, stop = len(frame.before), len(frame.before) + room
    blocks[:, :start], blocks[:, stop:] = frame.before, frame.after
    blocks[:, start:stop] = stream[: count * room].reshape(count, room)
    return blocks


def packed_blocks(
    texts: Dataset,
    tokenizer: PreTrainedTokenizerBase,
    encoding: Encoding,
    length: int,
    split: str,
    vocabulary: int,
) -> np.ndarray:
    """The blocks of a split, int32 [N, T].

    Args:
        vocabulary: rows of the model's embeddings.

    Raises:
        UsageError: the texts do not fill one block, or the model does not know a token.
    """
    frame = Frame.from_tokenizer(tokenizer)
    frame.room(length)
    encoded = tokenise(texts, tokenizer, frame, encoding)
    blocks = pack(encoded, frame, length)
    if not len(blocks):
        total = sum(map(len, encoded["input_ids"])) + len(encoded)
        more = "a --validation_file or a higher --validation_fraction" if split == "validation" else "more texts"
        raise UsageError(
            f"--max_seq_length {length}: the {quantity(len(texts), 'text')} of {split} {agree(len(texts), 'have')} "
            f"{quantity(total, 'token')} together, which do not fill one block. Give {more}, or pass --max_seq_length "
            f"{total + len(frame.before) + len(frame.after)} or less."
        )
    highest = int(blocks.max())
    if highest >= vocabulary:
        raise UsageError(
            f"tokenizer {tokenizer.name_or_path}: gives the token {highest}, and the model knows {vocabulary} tokens: "
            "they do not belong together. Leave --tokenizer_name out, or name the tokenizer of this model."
        )
    return blocks
