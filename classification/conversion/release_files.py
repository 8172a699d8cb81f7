"""Which files of a folder or a zip file are the checkpoint: its config, its vocabulary, its index, its numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from classification.errors import UsageError, join_first
from classification.models.google_checkpoints import CONFIG, PART

VOCABULARY = "vocab.txt"
SHARD = re.compile(r"\.data-(\d{5})-of-(\d{5})$")
PATTERN = re.compile(r'[*?\[\]\\:"<>|]')  # of TensorFlow's paths; others are special on Windows
FILES = f"{CONFIG}, {VOCABULARY}, NAME.ckpt.index and NAME.ckpt.data-00000-of-00001"


@dataclass(frozen=True)
class ReleaseFiles:
    """Names inside the folder or the zip file, with `/`.

    Args:
        checkpoint: without the ending of its files. parts: its index, then its numbers.
    """

    checkpoint: str
    config: str
    vocabulary: str
    parts: tuple[str, ...]

    @property
    def folder(self) -> str:
        """The folder that holds the files; empty for the outermost one."""
        return folder_of(self.checkpoint)


def choose_files(names: Iterable[str], where: str, wanted: str | None = None) -> ReleaseFiles:
    """The files of the one checkpoint in `names`, or of the one that `wanted` names.

    Args:
        where: begins the message of an error.
        wanted: a checkpoint, as `model.ckpt-2000`.

    Raises:
        UsageError: no checkpoint, several, or one without all its files; names what is missing and the remedy.
    """
    known = {name for name in names if not is_hidden(name)}
    found = sorted(
        {match["checkpoint"] for name in known if (match := PART.fullmatch(name)) and match["kind"] != "meta"}
    )
    if not found:
        raise UsageError(f"{where}: holds no checkpoint of TensorFlow. Its files are {FILES}.")
    checkpoint = choose_checkpoint(found, where, wanted)
    if odd := PATTERN.search(PurePosixPath(checkpoint).name):
        raise UsageError(
            f"{where}: {checkpoint} has {odd.group()} in its name, which is special in paths. Rename its files."
        )
    parts = parts_of(checkpoint, known, where)
    folder = folder_of(checkpoint)
    config, vocabulary = (str(PurePosixPath(folder, name)) for name in (CONFIG, VOCABULARY))
    if config not in known:
        other = str(PurePosixPath(folder, "config.json"))
        copy = f"copy {other} to {config}" if other in known else "copy the one of the model it was trained from"
        raise UsageError(
            f"{where}: there is no {config} beside {checkpoint}. Unpack it if it is a zip file, and {copy}."
        )
    if vocabulary not in known:
        raise UsageError(
            f"{where}: there is no {vocabulary} beside {checkpoint}. Unpack it if it is a zip file, and copy the one "
            "of the model it was trained from."
        )
    return ReleaseFiles(checkpoint, config, vocabulary, parts)


def choose_checkpoint(found: list[str], where: str, wanted: str | None) -> str:
    if wanted is not None:
        match = PART.fullmatch(wanted)
        name = match["checkpoint"] if match else wanted
        chosen = [one for one in found if name in (one, PurePosixPath(one).name)]
        if len(chosen) != 1:
            problem = "is in several folders" if chosen else "there is no such checkpoint"
            raise UsageError(f"--checkpoint {wanted}: {problem}. Pass one of: {join_first(chosen or found, 8)}.")
        return chosen[0]
    if len(found) > 1:
        last = max(found, key=lambda name: [int(number) for number in re.findall(r"\d+", PurePosixPath(name).name)])
        raise UsageError(
            f"{where}: holds {len(found)} checkpoints: {join_first(found, 8)}. Name one, such as --checkpoint {last}"
        )
    return found[0]


def parts_of(checkpoint: str, known: set[str], where: str) -> tuple[str, ...]:
    """The index, and every file of numbers."""
    index = f"{checkpoint}.index"
    data = sorted(name for name in known if name.startswith(f"{checkpoint}.data-") and SHARD.search(name))
    totals = {int(match[2]) for name in data if (match := SHARD.search(name))}
    total = max(totals, default=1)
    missing = [] if index in known else [index]
    missing += [
        name for number in range(total) if (name := f"{checkpoint}.data-{number:05}-of-{total:05}") not in known
    ]
    if missing:
        raise UsageError(f"{where}: {join_first(missing, 3)} is missing. Copy or download the whole checkpoint again.")
    if len(totals) > 1:
        raise UsageError(
            f"{where}: the files of {checkpoint} are of two checkpoints: {join_first(data, 4)}. Remove those of one."
        )
    return (index, *data)


def folder_of(name: str) -> str:
    folder = str(PurePosixPath(name).parent)
    return "" if folder == "." else folder


def is_hidden(name: str) -> bool:
    """Copies that systems and editors leave: `__MACOSX/`, `._bert_config.json`, `.ipynb_checkpoints/`."""
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)
