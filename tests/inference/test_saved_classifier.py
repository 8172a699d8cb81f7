"""Loading a classifier of any origin, and models that cannot be one."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
import zoo
from helpers import assert_refused, make_bert, make_tokenizer

from classification.inference.saved_classifier import find_device, load_saved
from classification.models.choice import ModelChoice


@pytest.fixture
def elsewhere(tmp_path) -> str:
    """A folder as `save_pretrained` makes it, without any setting of this recipe."""
    make_bert(num_labels=3).save_pretrained(tmp_path / "model")
    make_tokenizer().save_pretrained(tmp_path / "model")
    return str(tmp_path / "model")


def loaded(name: str, **more):
    return load_saved(ModelChoice(name, **more), precision="fp32")[0]


def change(folder: str, file: str, **values) -> None:
    path = f"{folder}/{file}"
    with open(path, encoding="utf-8") as handle:
        content = json.load(handle)
    content |= values
    with open(path, "w", encoding="utf-8") as handle:
        json.dump({key: value for key, value in content.items() if value is not None}, handle)


def test_a_model_that_was_made_elsewhere_answers_by_its_ids(elsewhere):
    classifier = loaded(elsewhere)
    assert classifier.task.names == ("LABEL_0", "LABEL_1", "LABEL_2")
    answer = classifier("a good film")
    with torch.no_grad():
        logits = classifier.model(**classifier.tokenizer("a good film", return_tensors="pt")).logits[0]
    assert list(answer.probabilities.values()) == pytest.approx(logits.softmax(-1).tolist(), abs=1e-6)
    assert sum(answer.probabilities.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("changes", "kind", "label"),
    [
        ({"problem_type": "multi_label_classification"}, "multi-label", tuple),
        ({"num_labels": 1, "id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}, "regression", float),
    ],
)
def test_the_kind_of_task_is_that_of_the_config(tmp_path, changes, kind, label):
    folder = str(tmp_path / "model")
    make_bert(num_labels=changes.get("num_labels", 3)).save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    change(folder, "config.json", **changes)
    classifier = loaded(folder)
    assert classifier.task.describe().startswith(kind) and isinstance(classifier("a good film").label, label)


def test_a_tokenizer_without_a_limit_reads_what_the_model_reads(elsewhere):
    change(elsewhere, "tokenizer_config.json", model_max_length=10**30)
    assert loaded(elsewhere).tokenizer.model_max_length == 64
    assert loaded(elsewhere, max_length=16)("good " * 40).tokens == 16
    assert_refused(["--max_seq_length 999", "at most 64"], lambda: loaded(elsewhere, max_length=999))


def test_a_strategy_of_the_command_line_replaces_that_of_the_model(elsewhere):
    change(elsewhere, "config.json", truncation_strategy="tail")
    assert loaded(elsewhere).truncation.strategy == "tail"
    assert loaded(elsewhere, truncation_strategy="window", max_length=16)("good " * 40).tokens == 42


@pytest.mark.parametrize("name", zoo.ARCHITECTURES)
def test_every_architecture_answers_as_its_own_forward_pass(name, tmp_path):
    """Columns that the model does not read, padding on the left, and decoders included."""
    zoo.save_pretrained(name, tmp_path)
    trained = zoo.load(tmp_path, ("a", "b", "c"))
    trained.model.save_pretrained(tmp_path / "trained")
    trained.tokenizer.save_pretrained(tmp_path / "trained")
    classifier = loaded(str(tmp_path / "trained"))
    texts = ["a good film", "bad", "the food was not good " * 3]
    accepted = classifier.engine.columns
    with torch.no_grad():
        inputs = [classifier.tokenizer(text, return_tensors="pt", truncation=True) for text in texts]
        alone = [classifier.model(**{key: one[key] for key in accepted if key in one}).logits[0] for one in inputs]
    assert np.abs(classifier.outputs(texts).logits - torch.stack(alone).numpy()).max() < 1e-4
    assert set(classifier(texts)[0].probabilities) == {"a", "b", "c"}


def test_an_encoder_without_a_head_is_refused(tiny_model):
    assert_refused([f"MODEL {tiny_model}: has no trained classification head", "--do_train"], loaded, tiny_model)


def test_weights_and_tokenizers_that_are_missing_are_named(elsewhere, tmp_path):
    other = shutil.copytree(elsewhere, tmp_path / "other")
    (other / "model.safetensors").unlink()
    assert_refused([f"MODEL {other}: no weights in safetensors format"], loaded, str(other))
    for file in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / "model" / file).unlink()
    assert_refused(["does not load", "Save the model's tokenizer beside it"], loaded, elsewhere)


def test_an_error_names_no_flag_that_predict_does_not_have(elsewhere):
    change(elsewhere, "config.json", id2label={"0": "a", "1": "b"})
    with pytest.raises(ValueError) as refused:
        loaded(elsewhere)
    assert "--model_name_or_path" not in str(refused.value) and "id2label" in str(refused.value)


def test_a_device_that_is_not_there_is_refused():
    assert find_device("cpu").type == "cpu" and find_device(None).type == "cpu"
    for name in ("cuda:7", "gpu", ""):
        assert_refused([f"device {name}", "Pass cpu"], find_device, name)


def test_a_format_that_the_device_lacks_is_refused(elsewhere):
    assert_refused(
        ["--precision fp16", "needs a CUDA GPU, and the model is on cpu. Use"],
        lambda: load_saved(ModelChoice(elsewhere), precision="fp16", device="cpu"),
    )
