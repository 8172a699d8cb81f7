"""A regressor's head is scaled to the units of its labels for saving, and back."""

from __future__ import annotations

import torch
import zoo
from helpers import make_bert, make_tokenizer

from classification.data.tasks import infer_task
from classification.models.regression_head import own_units, regression_head

TEXTS = ["the film was good", "the room was bad and the book was dull"]


def test_the_saved_model_has_the_units_of_the_labels_and_the_loaded_one_is_standardised(tiny_model, tmp_path):
    task = infer_task([10.5, 20.5, 60.5])
    loaded = zoo.load(tiny_model, [10.5, 20.5, 60.5])
    standardised = zoo.scores(loaded, TEXTS)
    with own_units(loaded.model, task):
        assert torch.allclose(zoo.scores(loaded, TEXTS), standardised * task.std + task.mean, atol=1e-4)
        loaded.model.save_pretrained(tmp_path)
    loaded.tokenizer.save_pretrained(tmp_path)
    assert torch.equal(zoo.scores(loaded, TEXTS), standardised) and not loaded.model.config.label_own_units
    again = zoo.load(tmp_path, training=False)
    assert torch.allclose(zoo.scores(again, TEXTS), standardised, atol=1e-5)
    assert not again.model.config.label_own_units


def test_a_mean_that_fp32_cannot_hold_is_left_out_of_the_head(tiny_model):
    """Dates in seconds: fp32 has 7 digits."""
    dates = [1.7e9 + 0.5, 1.7e9 + 60]
    loaded = zoo.load(tiny_model, dates)
    before = regression_head(loaded.model).bias.clone()
    with own_units(loaded.model, infer_task(dates)):
        assert torch.equal(regression_head(loaded.model).bias, before)
        assert not getattr(loaded.model.config, "label_own_units", False)


def test_a_head_for_classes_is_not_scaled(tiny_model):
    loaded = zoo.load(tiny_model)
    before = zoo.scores(loaded, TEXTS)
    with own_units(loaded.model, infer_task(["a", "b"])):
        assert torch.equal(zoo.scores(loaded, TEXTS), before)


def test_a_new_head_on_a_regressor_starts_as_it_was_drawn(tmp_path):
    """The old head was in the units of its labels. Scaling the new one would put -mean / std into its bias."""
    numbers = [1000.5, 1001.5, 1003.0]
    make_bert().bert.save_pretrained(tmp_path / "bare")
    make_tokenizer().save_pretrained(tmp_path / "bare")
    first = zoo.load(tmp_path / "bare", numbers)
    with own_units(first.model, infer_task(numbers)):
        first.model.save_pretrained(tmp_path / "trained")
    first.tokenizer.save_pretrained(tmp_path / "trained")
    again = zoo.load(tmp_path / "trained", numbers, pooling="mean")
    assert zoo.scores(again, TEXTS).abs().max() < 3  # standardised numbers
