"""What can be checked of a checkpoint without a manifest, as the first version of this project wrote it."""

from __future__ import annotations

import errno
import json
import os
import zipfile
from pathlib import Path

WEIGHTS = ("model.safetensors", "adapter_model.safetensors")
NEEDED = ("config.json", "optimizer.pt", "scheduler.pt", "trainer_state.json")
LENGTH = 8  # bytes at the start of a safetensors file: the length of its header


def problem_of_unsealed(checkpoint: Path) -> str | None:
    """The first file that is missing or unreadable, None if there is none.

    Flipped bits in weights are not found: only the names, the sizes and the checksums inside the pickles are known.
    """
    weights = next((name for name in WEIGHTS if os.path.lexists(checkpoint / name)), None)
    if weights is None:
        return f"{WEIGHTS[0]} is missing"
    if "adapter" in weights and not os.path.lexists(checkpoint / "adapter_config.json"):
        return "adapter_config.json is missing"
    missing = [name for name in (*NEEDED, *random_files(checkpoint)) if not os.path.lexists(checkpoint / name)]
    if len(missing) >= 3 and "trainer_state.json" not in missing:
        return f"{missing[0]} is missing, as after --save_only_model"
    if missing:
        return f"{missing[0]} is missing"
    files = sorted(path for path in checkpoint.iterdir() if path.name != "training_args.bin")
    return next(filter(None, map(_problem_of_file, files)), None)


def random_files(checkpoint: Path) -> list[str]:
    """The files of the random state of each process, those that must be there because of a later one included."""
    numbers = [path.stem.rpartition("_")[2] for path in checkpoint.glob("rng_state_*.pth")]
    last = max((int(number) for number in numbers if number.isdigit()), default=None)
    # A run of one process has one file without a number.
    return ["rng_state.pth"] if last is None else [f"rng_state_{rank}.pth" for rank in range(max(last, 1) + 1)]


def refuse_cut_off(folder: Path) -> None:
    """Refuse a folder in which a JSON or safetensors file lacks its end, just after it was written.

    safetensors and tokenizers overlook an error in closing a file, such as that of a full network share.

    Raises:
        OSError: a file is not whole.
    """
    for path in sorted(folder.iterdir()):
        if path.suffix in (".json", ".safetensors") and _problem_of_file(path) is not None:
            raise OSError(errno.EIO, "its end was lost when it was closed", str(path))


def _problem_of_file(path: Path) -> str | None:
    checks = {".json": _check_json, ".safetensors": _check_safetensors, ".pt": _check_pickle, ".pth": _check_pickle}
    check = checks.get(path.suffix)
    if check is None:
        return None
    try:
        if not path.is_file():
            return f"{path.name} is not a file"
        check(path)
    except (
        OSError, ValueError, LookupError, TypeError, AttributeError, EOFError, RecursionError, zipfile.BadZipFile,
    ) as error:  # fmt: skip
        return f"{path.name} is unreadable ({type(error).__name__})"
    return None


def _check_json(path: Path) -> None:
    value = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(value, dict):
        raise ValueError
    if path.name == "trainer_state.json":
        int(value["global_step"])


def _check_safetensors(path: Path) -> None:
    """The size of the file agrees with its header."""
    with path.open("rb") as handle:
        length = int.from_bytes(handle.read(LENGTH), "little")
        size = path.stat().st_size
        if length > size:
            raise ValueError
        header = json.loads(handle.read(length))
    end = max((entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"), default=0)
    if LENGTH + length + end != size:
        raise ValueError


def _check_pickle(path: Path) -> None:
    """The checksum of each entry of the zip archive that PyTorch writes."""
    with zipfile.ZipFile(path) as archive:
        if archive.testzip() is not None:
            raise ValueError
