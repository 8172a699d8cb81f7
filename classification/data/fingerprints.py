"""Hashes of what decides the token ids: the contents of a split, and the state of a tokenizer."""

from __future__ import annotations

import hashlib

from datasets import Dataset
from datasets.fingerprint import Hasher
from transformers import PreTrainedTokenizerBase


def fingerprint(data: Dataset) -> str:
    """A hash of the texts and labels of a split; its file and the order of its columns do not matter."""
    digest = hashlib.blake2b(digest_size=16)
    for column in ("text", "text_pair", "label"):
        if column in data.column_names:
            digest.update(f"\x1d{column}".encode())
            for batch in data.select_columns([column]).iter(1000):
                digest.update("".join(f"{value}\x1e" for value in batch[column]).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


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
