"""Two checkpoints that earlier code has written resume under the present code, and end with the weights of then.

The weights are compared with a tolerance: another processor rounds otherwise, so that only a run on the machine that
wrote the checkpoint ends with the same bits. A new run from the beginning could differ for good reasons, such as
another default; a resumed one may not.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess

import pytest
import torch
from helpers import ROOT, weights
from safetensors.torch import load_file

from classification.training.checkpoint_seal import is_sealed, problem_of

GOLDEN = ROOT / "tests" / "fixtures" / "checkpoints"
# AdamW divides by the size of the gradient: what is rounding in a gradient of zero, that of a key bias, becomes a step.
NO_GRADIENT = "key.bias"


def build_script():
    spec = importlib.util.spec_from_file_location("build_checkpoints", GOLDEN / "build.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


@pytest.fixture
def resume(tmp_path, monkeypatch, capsys):
    """A function that resumes a checkpoint in a copy of the folder where it was written; returns what is printed."""
    script = build_script()

    def resume(name: str) -> str:
        from run_classification import main

        for entry in script.INPUTS:
            copy = shutil.copytree if (GOLDEN / entry).is_dir() else shutil.copy
            copy(GOLDEN / entry, tmp_path / entry)
        shutil.copytree(GOLDEN / name / "checkpoint-6", tmp_path / "out" / "checkpoint-6")
        monkeypatch.chdir(tmp_path)
        main([*script.FLAGS, "--resume=auto", "--calibrate=false"])  # the weights as training left them
        captured = capsys.readouterr()
        return captured.out + captured.err

    return resume


def assert_ends_as_then(name: str, folder) -> None:
    then, now = load_file(GOLDEN / name / "final.safetensors"), weights(folder)
    assert then.keys() == now.keys()
    differences = {key: (then[key] - now[key]).abs().max().item() for key in then if NO_GRADIENT not in key}
    assert max(differences.values()) <= 1e-5, max(differences, key=differences.get)


def test_a_sealed_checkpoint_resumes_and_ends_with_the_weights_of_then(resume, tmp_path):
    shown = resume("sealed")
    assert "resume       out/checkpoint-6\n" in shown and "unsealed" not in shown
    assert_ends_as_then("sealed", tmp_path / "out")


def test_a_checkpoint_of_the_first_version_resumes_with_a_warning_and_ends_with_the_weights_of_then(resume, tmp_path):
    shown = resume("first_version")
    assert "out/checkpoint-6 is unsealed" in shown
    assert_ends_as_then("first_version", tmp_path / "out")


def test_the_end_depends_on_every_part_of_the_checkpoint():
    """Otherwise the tests above could not see that a part was lost: the weights move by more than the tolerance."""
    for name in ("sealed", "first_version"):
        start = load_file(GOLDEN / name / "checkpoint-6" / "model.safetensors")
        end = load_file(GOLDEN / name / "final.safetensors")
        assert max((start[key] - end[key]).abs().max().item() for key in start) > 1e-3
        moments = torch.load(GOLDEN / name / "checkpoint-6" / "optimizer.pt", weights_only=True)["state"]
        assert len(moments) == len(start) and all(state["step"] == 6 for state in moments.values())


def test_the_sealed_checkpoint_is_as_it_was_written_and_the_first_version_had_no_seal():
    sealed, first = (GOLDEN / name / "checkpoint-6" for name in ("sealed", "first_version"))
    assert is_sealed(sealed) and not is_sealed(first)
    assert problem_of(sealed) is None and problem_of(first) is None
    listed = json.loads((sealed / "manifest.json").read_text(encoding="utf-8"))["files"]
    assert listed.keys() == {path.name for path in sealed.iterdir()} - {"manifest.json"}


def test_the_files_survive_a_clone_that_changes_line_ends(tmp_path):
    """As Git for Windows does."""
    if shutil.which("git") is None:
        pytest.skip("no git")
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    fixture = origin / GOLDEN.relative_to(ROOT)
    shutil.copytree(GOLDEN, fixture, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".gitattributes", origin)
    (origin / "other.txt").write_text("one\ntwo\n")
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.org"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "files"]):
        subprocess.run([*git, *command], cwd=origin, check=True, capture_output=True)
    subprocess.run([*git, "clone", "-q", "-c", "core.autocrlf=true", origin, clone], check=True, capture_output=True)
    assert b"\r\n" in (clone / "other.txt").read_bytes()  # so that the clone does change line ends
    assert problem_of(clone / GOLDEN.relative_to(ROOT) / "sealed" / "checkpoint-6") is None


def test_the_files_hold_no_path_of_a_machine_and_are_small():
    files = [path for path in GOLDEN.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sum(path.stat().st_size for path in files) < 400_000
    stored = [path for path in files if path.name != "build.py"]
    assert not [path for path in stored if b"/tmp/" in path.read_bytes() or b"/home/" in path.read_bytes()]
