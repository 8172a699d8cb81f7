"""A Python that has TensorFlow: the one that `--python` names, or an environment of its own, which is made once."""

from __future__ import annotations

import logging
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from huggingface_hub.constants import HF_HOME

from classification.errors import RunError, UsageError, own_error
from classification.messages.log import Line, log_lines
from classification.system.file_locks import Held, lock_file
from classification.system.files import free_bytes, remove

logger = logging.getLogger(__name__)

VERSION = "2.21.0"
NEEDED_GB, LARGE_GB = 2.5, 1.6  # while it is installed, and afterwards
COMPLETE = "complete"  # a file that is written last
ALONE = ("-I",)  # no packages of the user, of PYTHONPATH or of the working directory
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
ELSEWHERE = "Pass --python with a Python that has TensorFlow, or convert the checkpoint on another machine."
# Without the working directory, which may have a folder of that name.
HAS_TENSORFLOW = (
    "import importlib.util, sys; sys.path = [place for place in sys.path if place]; "
    "sys.exit(0 if importlib.util.find_spec('tensorflow') else 9)"
)


def package() -> str:
    """The pinned package. The one without GPU parts is published for two kinds of machine."""
    is_pc = platform.machine().lower() in ("x86_64", "amd64") and sys.platform in ("linux", "win32")
    return f"tensorflow-cpu=={VERSION}" if is_pc else f"tensorflow=={VERSION}"


def check_python(python: str) -> list[str]:
    """The words that start the Python that `--python` names.

    Raises:
        UsageError: no such program, or one without TensorFlow.
    """
    found = shutil.which(os.path.expanduser(python))
    if found is None:
        raise UsageError(
            f"--python {python}: there is no such program. Pass the path of a Python, such as env/bin/python."
        )
    path = os.path.abspath(found)  # links stay: one into an environment is that environment's
    try:
        done = subprocess.run([path, "-c", HAS_TENSORFLOW], capture_output=True, stdin=subprocess.DEVNULL, timeout=120)
        code = done.returncode
    except (OSError, subprocess.TimeoutExpired):
        code = 1
    if code == 9:
        raise UsageError(
            f"--python {python}: has no TensorFlow. Install it there: {python} -m pip install {package()}  Or leave "
            "--python out."
        )
    if code:
        raise UsageError(f"--python {python}: is no Python that runs. Pass another one, or leave --python out.")
    return [path]


def own_python(cache_dir: str | None) -> list[str]:
    """The words that start the Python of an environment with the pinned TensorFlow, installed where it is missing.

    Raises:
        UsageError: the folder cannot be written, or another process is installing.
        RunError: the installation failed; nothing of it is left.
    """
    cache = Path(cache_dir).expanduser() if cache_dir else Path(HF_HOME, "text_classification")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = cache.absolute() / f"{package().replace('==', '-')}-python{version}"
    if is_complete(folder):
        return [str(python_of(folder)), *ALONE]
    where = f"--cache_dir {cache}"
    free = free_bytes(cache)
    if free is not None and free < NEEDED_GB * 1e9:
        raise UsageError(
            f"{where}: TensorFlow needs {NEEDED_GB} GB there, and {free / 1e9:.1f} GB are free. Name another folder, "
            "or pass --python with a Python that has TensorFlow."
        )
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with alone(folder, where):
            if not is_complete(folder):  # another process may just have made it
                install(folder)
    except OSError as error:
        raise UsageError(f"{where}: cannot be written ({error.strerror}). Name another folder.") from error
    return [str(python_of(folder)), *ALONE]


def is_complete(folder: Path) -> bool:
    """Whether an environment was made to the end, and the Python that it was made of is still there."""
    return (folder / COMPLETE).is_file() and python_of(folder).exists()


@contextmanager
def alone(folder: Path, where: str) -> Iterator[None]:
    """Inside, no other process installs into `folder`."""
    try:
        lock = lock_file(folder.with_name(f"{folder.name}.lock"))
    except Held as holder:
        raise UsageError(f"{where}: another process is installing TensorFlow there{holder}. Wait for it.") from holder
    except NotImplementedError:  # a file system without locks
        yield
        return
    try:
        yield
    finally:
        lock.release(force=True)


def install(folder: Path) -> None:
    """Make an environment beside `folder`, and give it that name when it is complete."""
    partial = folder.with_name(f"{folder.name}.partial")
    log_lines([Line("tensorflow",
        f"installing {package()} once, into an environment of its own: {folder} ({LARGE_GB} GB). --python names a "
        "Python that has TensorFlow instead")])  # fmt: skip
    try:
        remove(partial)  # of a process that was killed
        remove(folder)
        run([sys.executable, "-m", "venv", str(partial)], "an environment cannot be made")
        pip = [str(python_of(partial)), *ALONE, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
        run([*pip, package()], f"{package()} cannot be installed")
        run([str(python_of(partial)), *ALONE, "-c", "import tensorflow"], f"{package()} is installed and does not run")
        (partial / COMPLETE).write_text(f"{package()}\n", encoding="utf-8")
        os.replace(partial, folder)
    finally:
        with suppress(OSError):
            remove(partial)


def run(command: list[str], problem: str) -> None:
    """Run a step of the installation.

    Raises:
        RunError: it failed; names the last line of what it printed.
    """
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )  # fmt: skip
    if done.returncode:
        raise failed(problem, done.stdout)


def failed(problem: str, printed: str) -> RunError:
    lines = [line.strip() for line in printed.splitlines() if line.strip()] or ["it printed nothing"]
    last = next((line for line in reversed(lines) if line.startswith("ERROR:")), lines[-1])
    return own_error(f"{problem}: {last.rstrip('.')}. {ELSEWHERE}")


def python_of(environment: Path) -> Path:
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
