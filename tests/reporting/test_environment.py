"""run.json names the libraries, the code and the machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest
from helpers import ROOT

from classification.reporting import environment as module
from classification.reporting.environment import LIBRARIES, environment, instruction_set, machine, processor_name


def test_every_required_library_is_recorded():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    required = {line.partition("==")[0] for line in lines if "==" in line}
    assert required and required <= set(LIBRARIES) and required <= environment()["versions"].keys()


def test_a_library_that_is_missing_is_left_out(monkeypatch):
    monkeypatch.setattr(module, "LIBRARIES", ("numpy", "no-such-library"))
    assert list(environment()["versions"]) == ["numpy"]


def test_the_machine_has_a_name_instructions_threads_and_processes(monkeypatch):
    import torch

    monkeypatch.setenv("WORLD_SIZE", "4")
    facts = machine()
    assert facts["processes"] == 4 and facts["threads"] == torch.get_num_threads() and facts["processor"]
    assert str(facts["instructions"]).startswith(torch.backends.cpu.get_cpu_capability())


def test_a_system_without_cpuinfo_has_a_processor_too(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "CPU_INFO", tmp_path / "none")
    monkeypatch.setattr(module.platform, "processor", lambda: "")
    monkeypatch.setattr(module.platform, "machine", lambda: "arm64")
    assert processor_name.__wrapped__() == "arm64"


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_commit_is_read_without_a_lock_on_the_index(monkeypatch, tmp_path):
    """A lock that a killed run leaves behind keeps the user from committing. Who locks the index rewrites it too."""

    def git(*words: str) -> str:
        user = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
        return subprocess.run(["git", *user, *words], cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    monkeypatch.setattr(module, "CODE", tmp_path)
    commit = module.git_commit.__wrapped__
    assert commit() is None
    git("init", "-q")
    assert commit() is None
    file, index = tmp_path / "a.py", tmp_path / ".git" / "index"
    file.write_text("a")
    git("add", "a.py"), git("commit", "-q", "-m", "a")
    (tmp_path / "untracked").touch()
    os.utime(file, (1, 1))  # its entry in the index is out of date, its content is not
    before = index.read_bytes()
    assert commit() == git("rev-parse", "HEAD").strip() and index.read_bytes() == before
    file.write_text("b")
    assert commit() == git("rev-parse", "HEAD").strip() + "-dirty" and index.read_bytes() == before


def test_an_older_torch_names_its_instructions(monkeypatch):
    import torch

    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert instruction_set.__wrapped__() == torch.backends.cpu.get_cpu_capability()


def test_the_code_has_a_digest():
    assert re.fullmatch("[0-9a-f]{64}", environment()["code"])


def test_a_changed_source_has_another_digest(monkeypatch, tmp_path):
    (tmp_path / "a.py").write_text("x = 1")
    monkeypatch.setattr(module, "CODE", tmp_path)
    before = module.code_digest.__wrapped__()
    (tmp_path / "a.py").write_text("x = 2")
    assert module.code_digest.__wrapped__() != before
