"""Whole runs that train less or recompute activations: the frozen part is saved as it was, no weight changes."""

from __future__ import annotations

import pytest
import torch
import transformers
import zoo
from helpers import SGD, largest_difference, weights

from run_classification import main


@pytest.fixture(scope="module")
def classifier(tmp_path_factory) -> str:
    """A complete classifier, so that the weights before and after a run can be compared."""
    folder = tmp_path_factory.mktemp("classifier")
    loaded = zoo.load(zoo.saved("bert", num_hidden_layers=3))
    loaded.model.save_pretrained(folder)
    loaded.tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize(("flags", "prefixes"), [
    ({"freeze": "encoder"}, ("bert.embeddings.", "bert.encoder.")),
    ({"freeze_layers": 2}, ("bert.embeddings.", "bert.encoder.layer.0.", "bert.encoder.layer.1.")),
])  # fmt: skip
def test_a_frozen_part_is_saved_as_it_was(flags, prefixes, classifier, finished):
    """With weight decay, which would move a parameter without a gradient too."""
    run = finished(model_name_or_path=classifier, max_seq_length=24, weight_decay=0.1, **flags)
    before, after = weights(classifier), weights(run.folder)
    for name, value in before.items():
        if not name.endswith("key.bias"):  # softmax cancels it: its gradient is 0
            assert torch.equal(value, after[name]) == name.startswith(prefixes), name
    total = sum(value.numel() for value in before.values())
    trainable = sum(value.numel() for name, value in before.items() if not name.startswith(prefixes))
    assert f"{trainable / 1e6:.2f}M of {total / 1e6:.2f}M are trained" in run.shown


@pytest.mark.parametrize("more", [{}, {"freeze": "embeddings"}, {"lora_r": 2}, {"pooling": "max"}], ids=str)
@pytest.mark.parametrize("name", ["gradient_checkpointing", "activation_checkpointing"])
def test_checkpointing_activations_changes_no_weight(command, finished, tmp_path, name, more, monkeypatch):
    """By either name, on every supported version of transformers; and it is really on."""
    import torch.utils.checkpoint

    plain = finished(**SGD, **more)
    calls, checkpoint = [], torch.utils.checkpoint.checkpoint
    for module in (torch.utils.checkpoint, transformers.modeling_utils):
        monkeypatch.setattr(module, "checkpoint", lambda *a, **k: calls.append(1) or checkpoint(*a, **k), raising=False)
    main(command(**SGD, **more, **{name: True}))
    assert calls
    assert largest_difference(plain.folder, tmp_path / "out") < 1e-6


def test_a_presets_choices_for_training_are_dropped_where_nothing_trains(finished, command, tmp_path):
    run = finished()
    preset = tmp_path / "preset.yaml"
    preset.write_text("pooling: mean\nfreeze_layers: 1\nlora_merge: false\n", encoding="utf-8")
    again = {"train_file": None, "validation_file": None, "do_predict": True}
    main([str(preset), *command(**again, model_name_or_path=run.folder)])
    assert (tmp_path / "out" / "predictions.csv").read_text() == (run.folder / "predictions.csv").read_text()
