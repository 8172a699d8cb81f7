"""Hashes of what decides the token ids: the contents of a split, and the state of a tokenizer."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from datasets import Dataset
from datasets.fingerprint import Hasher
from transformers import PreTrainedTokenizerBase

CONTENT = ("text", "text_pair", "label")


def fingerprint(data: Dataset, columns: Iterable[str] = CONTENT) -> str:
    """A hash of the texts and labels of a split, or of other columns; its file and their order there do not matter.

    The number of rows, and the kind and length of every value are part of it: no two contents share their bytes.
    """
    digest = hashlib.blake2b(len(data).to_bytes(8, "big"), digest_size=16)
    for column in columns:
        if column in data.column_names:
            digest.update(framed(column))
            for batch in data.select_columns([column]).iter(1000):
                digest.update(b"".join(framed(value) for value in batch[column]))
    return digest.hexdigest()


def framed(value: object) -> bytes:
    """A value as bytes after its kind (text, null or another type) and its length."""
    text = value if isinstance(value, str) else repr(value)
    content = text.encode("utf-8", "surrogatepass")
    kind = b"s" if isinstance(value, str) else b"n" if value is None else b"r"
    return kind + len(content).to_bytes(8, "big") + content


def tokenizer_state(tokenizer: PreTrainedTokenizerBase) -> str:
    """A hash of what decides the output of a tokenizer.

    Truncation and padding are set by each call, so they are reset on the tokenizer and not part of the hash.
    """
    if tokenizer.is_fast:
        backend = tokenizer.backend_tokenizer
        backend.no_truncation()
        backend.no_padding()
        return Hasher.hash((backend.to_str(), tokenizer.truncation_side, tokenizer.model_input_names))
    return Hasher.hash(tokenizer)
