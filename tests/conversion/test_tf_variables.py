"""The reader runs by itself in another Python; what goes wrong there is one line here."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import ROOT
from made_releases import make_folder, release_files, variables_of

from classification.conversion import tf_variables
from classification.conversion.tf_variables import Variables, read_variables
from classification.errors import RunError, UsageError

STAND_IN = "import sys\nsys.path.append({tests!r})\nfrom made_releases import stand_in_tensorflow\n" \
           "train = stand_in_tensorflow().train\n"  # fmt: skip


@pytest.fixture
def work(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def test_the_reader_runs_in_another_process_and_reads_what_is_wanted(tmp_path, work, monkeypatch):
    """Beside another `tensorflow` in the working directory, which is not imported."""
    stand_in = tmp_path / "packages"
    stand_in.mkdir()
    (stand_in / "tensorflow.py").write_text(STAND_IN.format(tests=str(ROOT / "tests")))
    evil = tmp_path / "evil"
    evil.mkdir()
    (evil / "tensorflow.py").write_text("raise SystemExit('executed')")
    monkeypatch.chdir(evil)
    monkeypatch.setenv("PYTHONPATH", str(stand_in))
    made = variables_of(slots=True)
    prefix = make_folder(tmp_path / "release", release_files(made)) / "bert_model.ckpt"
    name = "bert/pooler/dense/kernel"
    with read_variables([sys.executable], prefix, [name, "not/there"], work, "it") as variables:
        assert {key: one.shape for key, one in variables.stored.items()} == {key: v.shape for key, v in made.items()}
        assert np.array_equal(variables.value(name), made[name]) and variables.value(name).dtype == np.float32
        assert list(variables.values) == [name] and variables.stored["global_step"].dtype == "int64"


@pytest.mark.parametrize("error", ["TypeError('Descriptors cannot be created')", "ImportError('libcudart.so')", None])
def test_a_tensorflow_that_cannot_be_imported_is_no_damaged_checkpoint(tmp_path, work, monkeypatch, error):
    stand_in = tmp_path / "packages"
    stand_in.mkdir()
    (stand_in / "tensorflow.py").write_text(f"raise {error}" if error else "")
    monkeypatch.setenv("PYTHONPATH", str(stand_in))
    prefix = make_folder(tmp_path / "release") / "bert_model.ckpt"
    with pytest.raises(RunError) as refused:
        read_variables([sys.executable], prefix, [], work, "it")
    said = error.replace("('", ": ").rstrip("')") if error else "AttributeError: module 'tensorflow' has no attribute"
    assert f"TensorFlow in {sys.executable} ended with code 1: {said}" in str(refused.value)
    assert str(refused.value).endswith("Pass --python with another Python that has TensorFlow.")


def answer(monkeypatch, work, *, code=0, stderr="", problem=None):
    def run(command, **how):
        if problem is not None:
            (work / "problem.txt").write_text(problem)
        return SimpleNamespace(returncode=code, stdout="", stderr=stderr)

    monkeypatch.setattr(tf_variables.subprocess, "run", run)


@pytest.mark.parametrize(
    ("problem", "kind", "words"),
    [
        ("OpError: TensorBundle at /x/release/bert_model.ckpt shard 0: Checksum does not match", UsageError,
         "it: TensorFlow cannot read bert_model.ckpt: OpError: TensorBundle at bert_model.ckpt shard 0: Checksum"),
        ("IndexError: Read less bytes than requested", UsageError, "The file is damaged, or not whole"),
        ("OpError: one\n\ttwo\n", UsageError, "OpError: one two. The file"),
        ("MemoryError: ", RunError, "it: there is too little memory to read bert_model.ckpt."),
        ("OSError: [Errno 28] No space left on device", RunError, "the disk is full"),
    ],
)  # fmt: skip
def test_what_the_reader_answers_is_one_line(work, monkeypatch, tmp_path, problem, kind, words):
    answer(monkeypatch, work, code=3, problem=problem.replace("/x/", f"{tmp_path}/"))
    with pytest.raises(kind) as error:
        read_variables(["python"], tmp_path / "release" / "bert_model.ckpt", [], work, "it")
    assert words in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(("code", "stderr"), [(-11, ""), (1, "Traceback\nMemoryError"), (0, "")])
def test_a_reader_that_dies_is_one_line(work, monkeypatch, tmp_path, code, stderr):
    answer(monkeypatch, work, code=code, stderr=stderr)
    with pytest.raises(RunError) as error:
        read_variables(["python"], tmp_path / "bert_model.ckpt", [], work, "it")
    last = stderr.splitlines()[-1] if stderr else "it printed nothing"
    assert f"ended with code {code}: {last}. Pass --python" in str(error.value)


def test_no_pickle_is_read(work):
    np.savez(work / "variables.npz", evil=np.array([print], dtype=object))
    (work / "variables.json").write_text("{}")
    with Variables(work) as variables, pytest.raises(ValueError, match="allow_pickle"):
        variables.value("evil")
