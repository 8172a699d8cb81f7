"""The logits of a teacher: right for every text, computed once, kept in parts that a kill or damage cannot mix up."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from corpus import long_rows, make_rows
from datasets import Dataset
from helpers import assert_refused, make_bert, make_tokenizer

from classification.data.hub_access import HubAccess
from classification.data.tasks import infer_task
from classification.errors import RunError
from classification.models.precision import Precision
from classification.training import teacher_cache, teacher_logits
from classification.training.teacher import load_teacher

TWO = infer_task(["negative", "positive"])


def texts_of(rows: list[dict]) -> Dataset:
    return Dataset.from_list([{name: row[name] for name in ("id", "text")} for row in rows])


@pytest.fixture
def make_teacher(tmp_path):
    def make(**config):
        model = make_bert(id2label=dict(enumerate(TWO.names)), label2id=TWO.label2id, **config)
        model.save_pretrained(tmp_path / "teacher")
        tokenizer = make_tokenizer()
        tokenizer.model_max_length = 16
        tokenizer.save_pretrained(tmp_path / "teacher")
        precision = Precision("fp32", "as requested")
        return load_teacher(str(tmp_path / "teacher"), TWO, HubAccess(), device="cpu", precision=precision, pairs=False)

    return make


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(teacher_cache, "PART_ROWS", 10)


def one_by_one(teacher, rows: list[dict]) -> np.ndarray:
    """The same by the library alone."""
    logits = []
    for row in rows:
        inputs = teacher.tokenizer(row["text"], truncation=True, return_tensors="pt")
        with torch.no_grad():
            logits.append(teacher.model(**inputs).logits[0].numpy())
    return np.array(logits)


def test_the_logits_are_those_of_each_text_by_itself(make_teacher, make_trainer, folder, small_parts):
    """Texts of all lengths, some of them cut, in three parts."""
    teacher, rows = make_teacher(), long_rows(27, seed=3)
    logits = teacher_logits.logits_of_texts(teacher, make_trainer(), texts_of(rows), folder)
    assert np.allclose(logits, one_by_one(teacher, rows), atol=1e-5) and logits.std() > 1e-3
    assert len(list(folder.iterdir())) == 3


def test_a_document_in_windows_has_the_mean_of_its_windows(make_teacher, make_trainer, folder):
    teacher = make_teacher(truncation_strategy="window", window_stride=8)
    rows = long_rows(6, seed=3)
    logits = teacher_logits.logits_of_texts(teacher, make_trainer(), texts_of(rows), folder)
    row = max(rows, key=lambda row: len(row["text"].split()))
    ids = teacher.tokenizer(row["text"])["input_ids"]
    starts = range(1, len(ids) - 1, 8)
    windows = [[ids[0], *ids[start : min(start + 14, len(ids) - 1)], ids[-1]] for start in starts]
    ends = [start + 14 >= len(ids) - 1 for start in starts]
    windows = windows[: ends.index(True)] + [[ids[0], *ids[-15:-1], ids[-1]]]
    with torch.no_grad():
        each = [teacher.model(input_ids=torch.tensor([window])).logits[0].numpy() for window in windows]
    assert len(windows) > 2
    assert logits[rows.index(row)] == pytest.approx(np.mean(each, axis=0), abs=1e-3)


def test_a_second_run_reads_them_and_a_killed_one_goes_on_with_the_same_bits(
    make_teacher, make_trainer, folder, small_parts, monkeypatch, caplog
):
    caplog.set_level("INFO")
    teacher, texts, trainer = make_teacher(), texts_of(make_rows(35, 3)), make_trainer()
    whole = teacher_logits.logits_of_texts(teacher, trainer, texts, folder)
    assert "of 35 texts were computed in" in caplog.text
    monkeypatch.setattr(teacher_logits.TeacherPredictor, "predict", None)
    assert np.array_equal(teacher_logits.logits_of_texts(teacher, trainer, texts, folder), whole)
    assert "of 35 texts are in the cache" in caplog.text
    monkeypatch.undo()
    monkeypatch.setattr(teacher_cache, "PART_ROWS", 10)
    files = sorted(folder.iterdir())
    files[0].unlink()
    files[1].write_bytes(files[1].read_bytes()[:-4])
    content = bytearray(files[2].read_bytes())
    content[-1] ^= 1
    files[2].write_bytes(bytes(content))
    again = teacher_logits.logits_of_texts(teacher, trainer, texts, folder)
    assert np.array_equal(again, whole) and "1 of 4 parts were in the cache" in caplog.text


def test_a_part_is_the_same_whatever_else_is_in_the_cache(make_teacher, make_trainer, folder, small_parts, tmp_path):
    """Rows that came later change no logit of the parts before them, not even the last bit."""
    teacher, trainer, rows = make_teacher(), make_trainer(), make_rows(30, 3)
    (tmp_path / "other").mkdir()
    teacher_logits.logits_of_texts(teacher, trainer, texts_of(rows[:20]), folder)
    warm = teacher_logits.logits_of_texts(teacher, trainer, texts_of(rows), folder)
    cold = teacher_logits.logits_of_texts(teacher, trainer, texts_of(rows), tmp_path / "other")
    assert np.array_equal(warm, cold) and len(list(folder.iterdir())) == 3


def test_other_users_of_a_shared_cache_may_read_the_parts(make_teacher, make_trainer, folder):
    previous = os.umask(0o002)
    try:
        teacher_logits.logits_of_texts(make_teacher(), make_trainer(), texts_of(make_rows(4)), folder)
    finally:
        os.umask(previous)
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o664}


def test_an_error_leaves_no_part_of_a_file(make_teacher, make_trainer, folder, monkeypatch):
    def refuse(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    call = (teacher_logits.logits_of_texts, make_teacher(), make_trainer(), texts_of(make_rows(4)), folder)
    assert_refused(["--cache_dir", "full"], *call)
    assert list(folder.iterdir()) == []


def test_an_output_that_is_not_finite_names_the_rows(make_teacher, make_trainer, folder):
    teacher = make_teacher()
    with torch.no_grad():
        teacher.model.classifier.bias[0] = float("inf")
    with pytest.raises(RunError, match=r"--teacher .*not finite for 4 rows \(r0-0, r0-1.*another teacher"):
        teacher_logits.logits_of_texts(teacher, make_trainer(), texts_of(make_rows(4)), folder)
