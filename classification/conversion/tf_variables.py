"""The variables of a checkpoint, as TensorFlow's reader found them: names and shapes first, values one by one."""

from __future__ import annotations

import errno
import json
import os
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

import numpy as np

from classification.conversion import tf_reader
from classification.conversion.tf_environment import QUIET
from classification.conversion.variable_names import Stored
from classification.errors import RunError, UsageError, own_error

NAMES, VALUES, PROBLEM = "variables.json", "variables.npz", "problem.txt"
NO_SPACE = os.strerror(errno.ENOSPC)
ANOTHER = "Pass --python with another Python that has TensorFlow."


class Variables:
    """The variables of a checkpoint.

    Attributes:
        stored: name -> shape and number format, of all of them.
    """

    def __init__(self, folder: Path):
        names = json.loads((folder / NAMES).read_text(encoding="utf-8"))
        self.stored = {name: Stored(tuple(facts["shape"]), str(facts["dtype"])) for name, facts in names.items()}
        self.values = np.load(folder / VALUES, allow_pickle=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.values.close()

    def value(self, name: str) -> np.ndarray:
        """A wanted variable as fp32."""
        return self.values[name]


def read_variables(python: Sequence[str], prefix: Path, wanted: Iterable[str], folder: Path, where: str) -> Variables:
    """Read a checkpoint with the TensorFlow of another Python.

    Args:
        python: the words that start it. prefix: the path of the checkpoint's files without their endings.
        wanted: the variables whose values are needed. folder: for the files of the reader.

    Raises:
        UsageError: the checkpoint is damaged. RunError: TensorFlow does not run there, or the disk is full.
    """
    wanted_file = folder / "wanted.json"
    wanted_file.write_text(json.dumps(list(wanted)), encoding="utf-8")
    # TensorFlow takes a path for a pattern: the folder of the checkpoint, which may have any name, is no part of it.
    command = [*python, os.path.abspath(tf_reader.__file__), f"./{prefix.name}", str(wanted_file), str(folder)]
    done = subprocess.run(
        command, cwd=prefix.parent, env=os.environ | QUIET, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        errors="replace",
    )  # fmt: skip
    if (folder / PROBLEM).is_file():
        raise explain((folder / PROBLEM).read_text(encoding="utf-8"), prefix, where)
    if done.returncode or not (folder / NAMES).is_file():
        last = (done.stderr.strip() or done.stdout.strip() or "it printed nothing").splitlines()[-1]
        raise own_error(
            f"TensorFlow in {python[0]} ended with code {done.returncode}: {last[:300].rstrip('.')}. {ANOTHER}"
        )
    return Variables(folder)


def explain(problem: str, prefix: Path, where: str) -> UsageError | RunError:
    """The error of the reader, in one line.

    Args:
        problem: the kind of the error, a colon, and its message.
    """
    text = " ".join(problem.split()).replace(f"{prefix.parent}{os.sep}", "")[:300].rstrip(".")
    if NO_SPACE in text:
        return own_error(f"{where}: the disk is full: {text}. Free some space, or name an OUT on another disk.")
    if text.startswith("MemoryError"):
        return own_error(f"{where}: there is too little memory to read {prefix.name}. Use a machine with more memory.")
    return UsageError(
        f"{where}: TensorFlow cannot read {prefix.name}: {text}. The file is damaged, or not whole: copy or download "
        "it again."
    )
