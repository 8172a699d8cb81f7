"""Where a run takes place: versions of libraries, code, processor and processes."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from functools import cache
from pathlib import Path

import torch

from classification.system.installed import installed_versions

LIBRARIES = (
    "torch", "transformers", "datasets", "accelerate", "evaluate", "scikit-learn", "joblib", "numpy", "scipy", "pyyaml",
    "iterative-stratification", "peft", "matplotlib", "jinja2", "markupsafe", "regex", "wcwidth", "charset-normalizer",
    "filelock", "threadpoolctl",
    "tokenizers", "safetensors", "huggingface-hub", "pyarrow", "pandas",  # they come with the others
)  # fmt: skip
CODE = Path(__file__).resolve().parents[2]
SOURCES = ("*.py", "classification/**/*.py")
CPU_INFO = Path("/proc/cpuinfo")
BRANCH = "# branch.oid "  # of git's status


def environment() -> dict[str, object]:
    """Versions, machine and code."""
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "versions": installed_versions(LIBRARIES),
        "git_commit": git_commit(),
        "code": code_digest(),
        "machine": machine(),
    }


def machine() -> dict[str, object]:
    """Names of the processor and GPUs, the CPU's instruction set, threads per process and number of processes."""
    return {
        "processor": processor_name(),
        "instructions": instruction_set(),
        "gpus": [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())],
        "threads": torch.get_num_threads(),
        "processes": int(os.environ.get("WORLD_SIZE", 1)),
    }


@cache
def processor_name() -> str:
    """What the system calls the CPU."""
    try:
        lines = CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
        named = [line.partition(":")[2].strip() for line in lines if line.lower().startswith("model name")]
    except OSError:
        named = []
    return next(iter(named), "") or platform.processor() or platform.machine()


@cache
def instruction_set() -> str:
    """The widest vector instructions that torch uses on this CPU, and those for bf16: they decide the rounding."""
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    further = sorted(name for name, has in capabilities.items() if has is True and ("bf16" in name or "amx" in name))
    return " ".join([torch.backends.cpu.get_cpu_capability(), *further])


@cache
def git_commit() -> str | None:
    """The commit of this code, marked `-dirty` where files differ from it; None outside a checkout or without git."""
    # not `git describe --dirty`: it locks the index of the user's repository, and a killed run would leave the lock
    command = ["git", "--no-optional-locks", "status", "--porcelain=v2", "--branch", "--untracked-files=no"]
    try:
        done = subprocess.run(command, cwd=CODE, capture_output=True, text=True, check=False)
    except OSError:
        return None
    lines = done.stdout.splitlines()
    commit = next((line.removeprefix(BRANCH) for line in lines if line.startswith(BRANCH)), "(initial)")
    is_dirty = any(not line.startswith("#") for line in lines)
    return None if commit == "(initial)" else commit + "-dirty" * is_dirty


@cache
def code_digest() -> str:
    """A hash of the source of this recipe: a checkout can be changed without a new commit."""
    digest = hashlib.sha256()
    for file in sorted({file for pattern in SOURCES for file in CODE.glob(pattern)}):
        digest.update(file.relative_to(CODE).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()
