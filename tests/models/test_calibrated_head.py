"""The temperatures are in the saved weights of every architecture, and out of them again when the model is loaded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import zoo
from helpers import assert_refused
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification

from classification.data.tasks import infer_task, task_from_config
from classification.models.adapters import merge_adapters
from classification.models.calibrated_head import calibrated_head, fold, folded_temperatures

TEXTS = ["the film was good", "the room was bad and the book was dull"]
NAMES = ("negative", "positive")
ONE = replace(infer_task(NAMES), temperatures=(2.5,), fitted_on="24 rows (0123456789ab)")
EACH = replace(infer_task([["a"], ["b", "c"]]), temperatures=(0.4, 1.7, 6.0), fitted_on="24 rows (0123456789ab)")


def save(loaded, task, folder) -> np.ndarray:
    """Save a model as a run does; its raw logits afterwards."""
    task.write_to(loaded.model.config)
    with calibrated_head(loaded.model, task, lambda: zoo.scores(loaded, TEXTS).numpy()):
        loaded.model.save_pretrained(folder)
        loaded.model.config.save_pretrained(folder)
    loaded.tokenizer.save_pretrained(folder)
    return zoo.scores(loaded, TEXTS).numpy()


def served(folder, **options) -> np.ndarray:
    """Logits by the library alone, [N, C]."""
    return np.log(zoo.probabilities(folder, TEXTS, **options))


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    folder = tmp_path_factory.mktemp("calibrated") / "bert"
    zoo.save_pretrained("bert", folder)
    return folder


@pytest.mark.parametrize("name", zoo.ARCHITECTURES)
def test_the_saved_model_of_every_architecture_is_calibrated_and_the_loaded_one_is_raw(name, tmp_path):
    zoo.save_pretrained(name, tmp_path / "base")
    loaded = zoo.load(tmp_path / "base")
    before = zoo.scores(loaded, TEXTS).numpy()
    raw = save(loaded, ONE, tmp_path / "saved")
    assert np.allclose(raw, before, atol=1e-5) and loaded.model.config.calibration["in_the_weights"] is False
    probabilities = zoo.probabilities(tmp_path / "saved", TEXTS)
    assert np.abs(probabilities - ONE.probabilities(raw)).max() < 1e-5
    assert np.abs(probabilities - replace(ONE, temperatures=()).probabilities(raw)).max() > 1e-3
    again = zoo.load(tmp_path / "saved", training=False)
    assert np.array_equal(zoo.scores(again, TEXTS).numpy(), raw)  # not one bit of rounding
    config = AutoConfig.from_pretrained(tmp_path / "saved")
    assert task_from_config(config).temperatures == (2.5,)
    assert config.calibration == {
        "temperature": 2.5, "fitted_on": "24 rows (0123456789ab)", "in_the_weights": True
    }  # fmt: skip


@pytest.mark.parametrize("pooling", ["mean", "max", "cls"])
def test_a_pooled_head_is_calibrated(pooling, bert, tmp_path):
    raw = save(loaded := zoo.load(bert, pooling=pooling), ONE, tmp_path)
    assert np.abs(zoo.probabilities(tmp_path, TEXTS, trust_remote_code=True) - ONE.probabilities(raw)).max() < 1e-5
    assert np.array_equal(zoo.scores(zoo.load(tmp_path, training=False), TEXTS).numpy(), raw)
    assert loaded.model.config.model_type == "pooled_classifier"


def test_each_label_has_its_temperature(bert, tmp_path):
    loaded = zoo.load(bert, [["a"], ["b", "c"]])
    raw = save(loaded, EACH, tmp_path)
    batch = zoo.encode(loaded.tokenizer, TEXTS)
    with torch.no_grad():
        logits = AutoModelForSequenceClassification.from_pretrained(tmp_path)(**batch).logits
    assert np.abs(logits.sigmoid().numpy() - EACH.probabilities(raw)).max() < 1e-5
    again = zoo.load(tmp_path, training=False)
    assert np.array_equal(zoo.scores(again, TEXTS).numpy(), raw)
    assert AutoConfig.from_pretrained(tmp_path).calibration["temperature"] == {"a": 0.4, "b": 1.7, "c": 6.0}


@pytest.mark.parametrize("name", ["bert", "roberta", "gpt2", "distilbert"])
@pytest.mark.parametrize("merged", [True, False])
def test_an_adapter_with_its_head_is_calibrated(name, merged, tmp_path):
    zoo.save_pretrained(name, tmp_path / "base")
    loaded = zoo.load(tmp_path / "base", lora_r=4)
    if merged:
        loaded = replace(loaded, model=merge_adapters(loaded.model))
    raw = save(loaded, ONE, tmp_path / "saved")
    again = zoo.load(tmp_path / "saved", training=False)
    assert np.allclose(zoo.scores(again, TEXTS).numpy(), raw, atol=1e-6)
    if merged:
        assert np.abs(zoo.probabilities(tmp_path / "saved", TEXTS) - ONE.probabilities(raw)).max() < 1e-5
    else:  # as the lines at the end of a run load it
        from peft import PeftModel

        config = AutoConfig.from_pretrained(tmp_path / "saved")
        model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "base", config=config)
        model = PeftModel.from_pretrained(model, tmp_path / "saved").merge_and_unload()
        logits = zoo.scores(replace(loaded, model=model), TEXTS).numpy()
        assert np.abs(replace(ONE, temperatures=()).probabilities(logits) - ONE.probabilities(raw)).max() < 1e-5


def test_a_frozen_head_is_calibrated_and_stays_frozen(bert, tmp_path):
    loaded = zoo.load(bert)
    loaded.model.classifier.requires_grad_(False)
    raw = save(loaded, ONE, tmp_path)
    assert np.abs(zoo.probabilities(tmp_path, TEXTS) - ONE.probabilities(raw)).max() < 1e-5
    assert not any(each.requires_grad for each in loaded.model.classifier.parameters())


def test_training_goes_on_from_the_raw_head(bert, tmp_path):
    raw = save(zoo.load(bert), ONE, tmp_path)
    further = zoo.load(tmp_path)
    assert "kept" in zoo.lines_of(further)["head"]
    assert np.array_equal(zoo.scores(further, TEXTS).numpy(), raw)
    assert not hasattr(further.model.config, "calibration")


def test_training_goes_on_from_the_raw_head_of_an_adapter(bert, tmp_path):
    raw = save(zoo.load(bert, lora_r=4), ONE, tmp_path)
    further = zoo.load(tmp_path)
    assert np.allclose(zoo.scores(further, TEXTS).numpy(), raw, atol=1e-6)


def test_training_goes_on_from_the_raw_head_where_the_data_spells_its_labels_in_another_way(bert, tmp_path):
    raw = save(zoo.load(bert, [["a"], ["b", "c"]]), EACH, tmp_path)
    further = zoo.load(tmp_path, [["A"], ["B", "C"]])
    assert np.array_equal(zoo.scores(further, TEXTS).numpy(), raw)


def test_a_new_head_does_not_get_the_temperature_of_the_old_one(bert, tmp_path):
    save(zoo.load(bert), ONE, tmp_path)
    assert torch.equal(
        zoo.scores(zoo.load(tmp_path, pooling="mean"), TEXTS), zoo.scores(zoo.load(bert, pooling="mean"), TEXTS)
    )
    assert not hasattr(zoo.load(tmp_path, ("x", "y", "z"), ignore_mismatched_sizes=True).model.config, "calibration")


# ------------------------------------------------------------------------------------------------ what cannot be folded


class Doubled(nn.Linear):
    """A last layer that is followed by another step."""

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return super().forward(states).tanh()


def with_another_step(model) -> None:
    head = Doubled(32, 2)
    head.load_state_dict(model.classifier.state_dict())
    model.classifier = head


def with_normed_weights(model) -> None:
    nn.utils.parametrizations.weight_norm(model.classifier)


def with_tied_weights(model) -> None:
    model.bert.pooler.dense.weight = model.classifier.weight = nn.Parameter(torch.randn(32, 32))
    model.classifier.out_features = 32
    model.config.num_labels = 32


def without_a_linear_layer(model) -> None:
    model.classifier = nn.Bilinear(32, 32, 2)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (with_another_step, "does not give the logits alone"),
        (with_tied_weights, "shares its weights with bert.pooler.dense.weight"),
        (without_a_linear_layer, "does not end in a linear layer"),
    ],
)
def test_what_cannot_be_folded_stays_as_it_is_and_the_config_says_so(change, reason, bert, caplog):
    loaded = zoo.load(bert)
    change(loaded.model)
    before = {name: each.clone() for name, each in loaded.model.state_dict().items()}
    loaded.model.config.calibration = {"temperature": 2.5}
    with calibrated_head(loaded.model, ONE, lambda: zoo.scores(loaded, TEXTS).numpy()):
        assert loaded.model.config.calibration == {"temperature": 2.5, "in_the_weights": False}
        assert all(torch.equal(each, before[name]) for name, each in loaded.model.state_dict().items())
    assert all(torch.equal(each, before[name]) for name, each in loaded.model.state_dict().items())
    assert reason in caplog.text and "pipeline and exports give uncalibrated probabilities" in caplog.text


def test_normed_weights_are_folded_or_left(bert):
    loaded = zoo.load(bert)
    with_normed_weights(loaded.model)
    before = zoo.scores(loaded, TEXTS)
    problem = fold(loaded.model, (2.5,), lambda: zoo.scores(loaded, TEXTS).numpy())
    assert problem and torch.allclose(zoo.scores(loaded, TEXTS), before, atol=1e-6)


def test_our_own_code_applies_the_temperature_that_is_not_in_the_weights(bert, tmp_path):
    loaded = zoo.load(bert)
    ONE.write_to(loaded.model.config)
    raw = zoo.scores(loaded, TEXTS).numpy()
    wrong = iter([raw, raw + 1])  # as if another layer followed
    with calibrated_head(loaded.model, ONE, lambda: next(wrong)):
        loaded.model.save_pretrained(tmp_path)
    loaded.tokenizer.save_pretrained(tmp_path)
    again = zoo.load(tmp_path, training=False)
    task = task_from_config(AutoConfig.from_pretrained(tmp_path))
    assert task.temperatures == (2.5,) and np.array_equal(zoo.scores(again, TEXTS).numpy(), raw)


def test_an_error_of_the_check_leaves_the_weights_and_costs_no_model(bert, monkeypatch, caplog):
    monkeypatch.setattr("classification.errors.FORGIVING", True)
    loaded = zoo.load(bert)
    ONE.write_to(loaded.model.config)
    before = loaded.model.classifier.weight.clone()
    answers = iter([zoo.scores(loaded, TEXTS).numpy()])
    with calibrated_head(loaded.model, ONE, lambda: next(answers)):  # the second call raises StopIteration
        assert torch.equal(loaded.model.classifier.weight, before)
        assert loaded.model.config.calibration["in_the_weights"] is False
    assert "could not be checked" in caplog.text


def test_an_error_while_saving_leaves_the_raw_head(bert):
    loaded = zoo.load(bert)
    ONE.write_to(loaded.model.config)
    before = loaded.model.classifier.weight.clone()
    with pytest.raises(OSError), calibrated_head(loaded.model, ONE, lambda: zoo.scores(loaded, TEXTS).numpy()):
        raise OSError("disk full")
    assert torch.allclose(loaded.model.classifier.weight, before, rtol=1e-6)
    assert loaded.model.config.calibration["in_the_weights"] is False


def test_a_task_without_temperatures_changes_no_bit(bert):
    loaded = zoo.load(bert)
    before = loaded.model.classifier.weight.clone()
    with calibrated_head(loaded.model, infer_task(NAMES), lambda: pytest.fail("not needed")):
        assert torch.equal(loaded.model.classifier.weight, before)
    assert not hasattr(loaded.model.config, "calibration")


# ------------------------------------------------------------------------------------------------------------- configs


@pytest.mark.parametrize(
    "facts", [None, "yes", {}, {"temperature": 2.0}, {"temperature": 2.0, "in_the_weights": False}]
)
def test_other_configs_have_no_temperature_in_the_weights(facts):
    config = AutoConfig.for_model("bert", id2label={0: "a", 1: "b"})
    config.calibration = facts
    assert folded_temperatures(config) == ()


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf"), "2", True, None, [1.0, 2.0]])
def test_a_temperature_that_is_no_number_above_zero_is_refused(value):
    config = AutoConfig.for_model("bert", id2label={0: "a", 1: "b"})
    config.calibration = {"temperature": value, "in_the_weights": True}
    assert_refused(["config.json: calibration", "a number above 0"], task_from_config, config)


def test_a_label_without_a_temperature_is_refused():
    config = AutoConfig.for_model("bert", id2label={0: "a", 1: "b"}, problem_type="multi_label_classification")
    config.calibration = {"temperature": {"a": 1.0, "c": 2.0}}
    assert_refused(["config.json: calibration", "a, c", "a, b"], task_from_config, config)


def test_the_temperature_of_text_generation_is_none_of_ours(bert, tmp_path):
    """The library keeps it out of the config of a model."""
    config = AutoConfig.for_model("gpt2", id2label={0: "a", 1: "b"}, temperature=0.7, top_p=0.9)
    assert task_from_config(config).temperatures == ()
