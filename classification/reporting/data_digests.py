"""sha256 and size of every file that a run reads, so that a later run can tell which of them has changed."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from classification.data.sources.file_formats import is_hidden
from classification.data.sources.saved_folders import is_saved_dataset, is_saved_dictionary

LISTED = 50  # files of one folder that are listed one by one; more have one digest together
UNLABELLED = ("unsup",)  # folders of texts that are never read
# Of a model folder; what else is in it, such as the results of a run, does not change the model.
MODEL_ENDINGS = (".safetensors", ".safetensors.index.json", ".txt", ".model", ".py", ".jinja", ".vocab", ".bpe")
MODEL_FILES = (
    "config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "vocab.json", "adapter_config.json",
)  # fmt: skip

Digest = dict[str, object]  # path, size in bytes, sha256; for many files of a folder also their count as `files`


def digest_data(path: str) -> list[Digest]:
    """The digests of a file, or of the files of a data-set folder that can be read; none for other paths."""
    if not os.path.isdir(path):
        return [digest for digest in (digest_file(Path(path)),) if digest]
    folder = Path(path)
    files = saved_files(folder) if is_saved_dictionary(folder) or is_saved_dataset(folder) else visible_files(folder)
    by_folder: dict[Path, list[Path]] = {}
    for file in files:
        by_folder.setdefault(file.parent, []).append(file)
    return [digest for parent, group in by_folder.items() for digest in digest_group(parent, group)]


def digest_model(path: str) -> list[Digest]:
    """The digests of weights, config, tokenizer and code in a model folder; none where there is no such folder."""
    if not os.path.isdir(path):
        return []
    files = [file for file in sorted(Path(path).iterdir()) if is_model_file(file.name)]
    return [digest for digest in map(digest_file, files) if digest]


def is_model_file(name: str) -> bool:
    return name in MODEL_FILES or name.endswith(MODEL_ENDINGS)


def digest_group(folder: Path, files: list[Path]) -> list[Digest]:
    """The digests of files in one folder: each, or all together where they are many."""
    digests = [digest for digest in map(digest_file, files) if digest]
    if len(digests) <= LISTED:
        return digests
    together = hashlib.sha256()
    for digest in digests:
        together.update(json.dumps([os.path.basename(str(digest["path"])), digest["sha256"]]).encode())
    size = sum(int(str(digest["size"])) for digest in digests)
    return [{"path": str(folder), "files": len(digests), "size": size, "sha256": together.hexdigest()}]


def digest_file(path: Path) -> Digest | None:
    """Path, size and sha256 of a file as it is on the disk; None for what is no regular file.

    A file that cannot be read has the sha256 None.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe would be empty for whoever reads it next
            return None
        digest = sha256_of(str(path.absolute()), status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    except OSError:
        return {"path": str(path), "size": None, "sha256": None} if os.path.isfile(path) else None
    return {"path": str(path), "size": status.st_size, "sha256": digest}


@lru_cache(maxsize=100_000)
def sha256_of(path: str, size: int, modified: int, changed: int) -> str:
    """The sha256 of a file, read once per process; size and times (ns) tell a changed file from one that is known."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def visible_files(folder: Path) -> Iterable[Path]:
    """The files below a folder in the order of their names, without hidden ones."""
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not is_hidden(name) and name not in UNLABELLED)
        yield from (Path(place, name) for name in sorted(names) if not is_hidden(name))


def saved_files(folder: Path) -> Iterable[Path]:
    """The files that `save_to_disk` wrote into a folder; a cache that the library put there later is none of them."""
    names: dict[Path, frozenset[str]] = {}
    for file in visible_files(folder):
        if file.parent not in names:
            names[file.parent] = named_in(file.parent)
        if file.name == "dataset_dict.json" or file.name in names[file.parent]:
            yield file


def named_in(folder: Path) -> frozenset[str]:
    """The files of one saved data set."""
    try:
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        names = [entry["filename"] for entry in state["_data_files"]]
    except (OSError, ValueError, KeyError, TypeError):
        return frozenset()
    return frozenset([*names, "state.json", "dataset_info.json"])


def digest_outputs(folder: Path) -> dict[str, dict[str, object]]:
    """The sha256 by file name of the `weights` and `predictions` that a run has saved; without what is missing."""
    predictions = [*sorted(folder.glob("*predictions.csv")), *folder.glob("oof.csv")]
    groups = {"weights": sorted(folder.glob("*.safetensors")), "predictions": predictions}
    found = {
        title: {file.name: digest["sha256"] for file in files if (digest := digest_file(file))}
        for title, files in groups.items()
    }
    return {title: digests for title, digests in found.items() if digests}
