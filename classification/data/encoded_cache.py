"""Tokenised splits on disk: one folder per key, which is complete or not there, however many runs write it."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import pyarrow as pa
from datasets import Dataset, Features, concatenate_datasets

from classification.errors import UsageError

FILE = "rows.arrow"  # several processes write rows_00000_of_00002.arrow and so on
SUMS = "sha256.json"
ATTEMPTS, PAUSE = 50, 0.1  # seconds; another run may exchange the entry at this moment


class Encode(Protocol):
    """Encodes a split, and writes the rows to a file."""

    def __call__(self, *, cache_file_name: str) -> Dataset: ...


def read_entry(folder: Path, key: str, num_rows: int, features: Features) -> Dataset | None:
    """The rows under `key`, memory-mapped; None if there are none, or if a file is damaged or belongs to others.

    A file that was cut ends early or cannot be read; `SUMS` finds bytes that were changed. The library writes `key`
    into each file, so that a file of another entry is recognised.
    """
    files = sorted((folder / key).glob("*.arrow"))
    try:
        if json.loads((folder / key / SUMS).read_text(encoding="utf-8")) != sums_of(files):
            return None
        parts = [Dataset.from_file(str(file)) for file in files if key_of(file).startswith(key)]
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError):
        return None
    is_whole = len(parts) == len(files) > 0 and sum(map(len, parts)) == num_rows
    if not is_whole or any(part.features != features for part in parts):
        return None
    return parts[0] if len(parts) == 1 else concatenate_datasets(parts)


def key_of(file: Path) -> str:
    """The key that the library wrote into a file: `new_fingerprint` of `Dataset.map`."""
    with pa.memory_map(str(file)) as source, pa.ipc.open_stream(source) as stream:
        metadata = stream.schema.metadata or {}
    return json.loads(metadata[b"huggingface"])["fingerprint"]


def sums_of(files: list[Path]) -> dict[str, str]:
    """The sha256 of each file by its name."""
    sums = {}
    for file in files:
        with pa.memory_map(str(file)) as source:
            sums[file.name] = hashlib.sha256(source.read_buffer()).hexdigest()
    return sums


def write_entry(folder: Path, key: str, num_rows: int, features: Features, encode: Encode) -> Dataset:
    """Let `encode` write to a file in a private folder, which then becomes the entry. A whole entry of another run that
    was faster stays; a damaged one is removed.

    Returns:
        The rows of the entry.
    """
    private = private_folder(folder, key)
    try:
        encode(cache_file_name=str(private / FILE))
        (private / SUMS).write_text(json.dumps(sums_of(sorted(private.glob("*.arrow")))), encoding="utf-8")
        for _ in range(ATTEMPTS):
            with suppress(OSError):  # there is an entry
                private.rename(folder / key)
            entry = read_entry(folder, key, num_rows, features)
            if entry is not None:
                return entry
            if private.exists():
                remove_entry(folder, key)
            time.sleep(PAUSE)
    finally:
        shutil.rmtree(private, ignore_errors=True)
    raise UsageError(f"--cache_dir {folder}: another run removes its files. Name a folder of this run's own.")


def remove_entry(folder: Path, key: str) -> None:
    """Take an entry out of the way before its files are removed, so that no other run finds a part of it."""
    private = private_folder(folder, key)
    with suppress(FileNotFoundError):  # there is no entry
        (folder / key).rename(private / key)
    shutil.rmtree(private, ignore_errors=True)


def private_folder(folder: Path, key: str) -> Path:
    """A new folder that no other run knows."""
    private = folder / f".{key}.{uuid4().hex}"
    private.mkdir(parents=True)
    return private
