"""A teacher: its labels are matched by name, its outputs brought to those of the training, its faults are named."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers import assert_refused, make_bert, make_tokenizer

from classification.data.hub_access import HubAccess
from classification.data.tasks import infer_task
from classification.models.precision import Precision
from classification.training.teacher import Teacher, load_teacher, matching_outputs

FP32 = Precision("fp32", "as requested")
TWO = infer_task(["negative", "positive"])
THREE = infer_task(["a", "b", "c"])


def save(folder, names, **config) -> str:
    """A classifier with these labels."""
    model = make_bert(id2label=dict(enumerate(names)), label2id={name: i for i, name in enumerate(names)}, **config)
    model.save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return str(folder)


def load(folder: str, task=TWO) -> Teacher:
    return load_teacher(folder, task, HubAccess(), device="cpu", precision=FP32, pairs=False)


def test_outputs_are_matched_by_name_not_by_place(tmp_path):
    """Case and spaces do not count, as for a trained model that goes on."""
    teacher = load(save(tmp_path / "t", ["C", "a", " b"]), THREE)
    logits = np.array([[30.0, 10.0, 20.0]], dtype=np.float32)
    assert teacher.targets(logits, THREE).tolist() == [[10.0, 20.0, 30.0]]


def test_other_labels_are_refused_with_both_lists_and_the_remedy_works(tmp_path):
    words = ["--teacher", "x, y, z", "a, b, c", "id2label"]
    assert_refused(words, load, save(tmp_path / "t", ["x", "y", "z"]), THREE)
    assert_refused(["LABEL_0, LABEL_1", "negative, positive"], load, save(tmp_path / "u", ["LABEL_0", "LABEL_1"]))
    assert load(save(tmp_path / "u", ["negative", "positive"])).columns.tolist() == [0, 1]


def test_another_number_of_labels_or_kind_of_task_is_refused(tmp_path):
    assert_refused(["a, b, c", "negative, positive"], load, save(tmp_path / "t", ["a", "b", "c"]))
    several = save(tmp_path / "u", ["negative", "positive"], problem_type="multi_label_classification")
    assert_refused(["--teacher", "another task", "multi-label", "single-label"], load, several)
    assert_refused(["another task"], matching_outputs, "t", TWO, infer_task([1.5, 2.5]))


def test_an_encoder_without_a_head_and_a_folder_without_a_model_are_refused(tiny_model, tmp_path):
    assert_refused(["--teacher", "classifier.weight"], load, tiny_model)
    (tmp_path / "empty").mkdir()
    assert_refused(["--teacher", "config.json"], load, str(tmp_path / "empty"))


def test_temperatures_that_are_in_the_weights_count_once(tmp_path):
    """What the saved model gives anywhere is what is learned: W / T and b / T."""
    folder = save(tmp_path / "t", ["negative", "positive"],
                  calibration={"temperature": 2.0, "fitted_on": "rows", "in_the_weights": True})  # fmt: skip
    teacher, inputs = load(folder), {"input_ids": torch.tensor([[2, 7, 8, 3]])}
    with torch.no_grad():
        ours = teacher.targets(teacher.model(**inputs).logits.numpy(), TWO)
        theirs = type(teacher.model).from_pretrained(folder).eval()(**inputs).logits.numpy()
    assert ours == pytest.approx(theirs, abs=1e-6) and np.abs(theirs).max() > 1e-3


def test_temperatures_beside_the_weights_count_too(tmp_path):
    folder = save(tmp_path / "t", ["negative", "positive"], calibration={"temperature": 4.0, "fitted_on": "rows"})
    assert load(folder).targets(np.array([[4.0, 8.0]]), TWO).tolist() == [[1.0, 2.0]]


def test_a_number_is_brought_to_the_mean_and_deviation_of_this_train(tmp_path):
    task = infer_task([10.5, 30.5])  # mean 20.5, standard deviation 10
    folder = save(tmp_path / "t", ["score"], num_labels=1, problem_type="regression", label_mean=100.0, label_std=50.0)
    teacher = load(folder, task)
    assert teacher.targets(np.array([[-1.0]]), task).item() == pytest.approx((100 - 50 - 20.5) / 10)


def test_another_reading_of_the_same_weights_is_another_teacher(tmp_path):
    """Its labels in another order, its temperature, its truncation; not the number format."""
    names = ["negative", "positive"]
    changes = [(names, {}), (names[::-1], {}), (names, {"truncation_strategy": "tail"})]
    changes.append((names, {"calibration": {"temperature": 4.0, "fitted_on": "rows"}}))
    teachers = [load(save(tmp_path / str(n), names, **more)) for n, (names, more) in enumerate(changes)]
    again = load_teacher(
        str(tmp_path / "0"), TWO, HubAccess(), device="cpu", pairs=False, precision=Precision("bf16", "as requested")
    )
    assert len({each.weights for each in teachers}) == 1 and len({each.reading for each in teachers}) == 4
    assert again.reading == teachers[0].reading and again.key != teachers[0].key


def test_the_key_follows_weights_length_truncation_and_number_format(tmp_path):
    """Each of them changes the logits, so that cached ones must not be used."""
    folder = save(tmp_path / "t", ["negative", "positive"])
    keys = {load(folder).key, load_teacher(folder, TWO, HubAccess(), device="cpu", pairs=False,
                                           precision=Precision("bf16", "as requested")).key}  # fmt: skip
    keys.add(load(save(tmp_path / "u", ["negative", "positive"], truncation_strategy="tail")).key)
    tokenizer = make_tokenizer()
    tokenizer.model_max_length = 32
    tokenizer.save_pretrained(save(tmp_path / "v", ["negative", "positive"]))
    keys.add(load(str(tmp_path / "v")).key)
    model = make_bert(id2label=dict(enumerate(TWO.names)), label2id=TWO.label2id)
    with torch.no_grad():
        model.classifier.bias += 1
    model.save_pretrained(save(tmp_path / "w", ["negative", "positive"]))
    keys.add(load(str(tmp_path / "w")).key)
    assert len(keys) == 5 and load(folder).key in keys
