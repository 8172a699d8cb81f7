"""Cheaper training: what is frozen does not move and everything else does; activations are computed twice."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers
import zoo
from conftest import make_bert, make_tokenizer
from test_training import SGD, largest_difference

from classification.errors import UsageError
from classification.models.freezing import frozen_names
from run_classification import main


@pytest.fixture
def classifier(tmp_path):
    """A function that saves a whole classifier of an architecture, so that before and after can be compared."""

    def save(architecture: str) -> str:
        zoo.save_pretrained(architecture, tmp_path / "encoder", num_hidden_layers=3)
        config = transformers.AutoConfig.from_pretrained(tmp_path / "encoder")
        config.id2label = {0: "negative", 1: "positive"}
        config.label2id = {"negative": 0, "positive": 1}
        model = transformers.AutoModelForSequenceClassification.from_pretrained(
            tmp_path / "encoder", config=config, dtype=torch.float32
        )
        model.save_pretrained(tmp_path / "classifier")
        transformers.AutoTokenizer.from_pretrained(tmp_path / "encoder").save_pretrained(tmp_path / "classifier")
        return str(tmp_path / "classifier")

    return save


def whole(folder):
    return transformers.AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32)


def moved(before: str, after) -> dict[str, bool]:
    """By name of every parameter whether it differs."""
    first, second = whole(before), whole(after)
    others = dict(second.named_parameters())
    return {name: not torch.equal(value, others[name]) for name, value in first.named_parameters()}


EMBEDDINGS, LAYERS, HEAD = "embeddings", "layers", "head"
PARTS = {  # architecture -> the part that a parameter belongs to, written out by hand
    "bert": {"bert.embeddings.": EMBEDDINGS, "bert.encoder.layer.": LAYERS, "bert.pooler.": HEAD, "classifier.": HEAD},
    "deberta-v2": {"deberta.embeddings.": EMBEDDINGS, "deberta.encoder.": LAYERS, "pooler.": HEAD, "classifier.": HEAD},
    "modernbert": {"model.embeddings.": EMBEDDINGS, "model.layers.": LAYERS, "model.final_norm": LAYERS,
                   "head.": HEAD, "classifier.": HEAD},
    "electra": {"electra.embeddings.": EMBEDDINGS, "electra.embeddings_project.": EMBEDDINGS,
                "electra.encoder.": LAYERS, "classifier.": HEAD},
    "gpt2": {"transformer.wte": EMBEDDINGS, "transformer.wpe": EMBEDDINGS, "transformer.h.": LAYERS,
             "transformer.ln_f": LAYERS, "score.": HEAD},
    "llama": {"model.embed_tokens.": EMBEDDINGS, "model.layers.": LAYERS, "model.norm": LAYERS, "score.": HEAD},
}  # fmt: skip


def part_of(name: str, architecture: str) -> str:
    return next(part for prefix, part in PARTS[architecture].items() if name.startswith(prefix))


@pytest.mark.parametrize("architecture", PARTS)
@pytest.mark.parametrize(
    ("flags", "frozen"),
    [
        ({}, set()),
        ({"freeze": "embeddings"}, {EMBEDDINGS}),
        ({"freeze": "encoder"}, {EMBEDDINGS, LAYERS}),
        ({"freeze_layers": 2}, {EMBEDDINGS, ".0.", ".1."}),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_what_is_frozen_does_not_move_and_everything_else_does(
    architecture, flags, frozen, classifier, command, capsys
):
    """Through a whole run with weight decay, which would move a parameter without a gradient too."""
    before = classifier(architecture)
    result = main(command(model_name_or_path=before, max_seq_length=24, weight_decay=0.1, **flags))
    out = capsys.readouterr().out
    differs = moved(before, result_folder(command))
    still = set()
    for name, has_moved in differs.items():
        numbers = {part for part in frozen if part in name and part.startswith(".")}
        if part_of(name, architecture) in frozen or (part_of(name, architecture) == LAYERS and numbers):
            assert not has_moved, name
            still.add(name)
        elif not name.endswith(("key.bias", "k_proj.bias", "key_proj.bias")):  # softmax cancels it: its gradient is 0
            assert has_moved, name
    total = sum(value.numel() for value in whole(before).parameters())
    rest = sum(value.numel() for name, value in whole(before).named_parameters() if name not in still)
    assert f"{total / 1e6:.2f}M, of which {rest / 1e6:.2f}M train" in out
    assert np.isfinite(result["train_loss"])


def result_folder(command):
    return next(word.partition("=")[2] for word in command() if word.startswith("--output_dir"))


def test_layers_that_share_their_weights_are_not_frozen_one_by_one(tmp_path, command, nothing_slow):
    zoo.save_pretrained("albert", tmp_path / "model")
    with pytest.raises(UsageError, match="--freeze_layers 1: this model has no list of layers"):
        main(command(model_name_or_path=tmp_path / "model", freeze_layers=1))
    model = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "model")
    frozen = frozen_names(model, "embeddings", 0)
    assert frozen and all("embedding" in name for name in frozen)


# ------------------------------------------------------------------------------------------- gradient checkpointing


@pytest.mark.parametrize("name", ["gradient_checkpointing", "activation_checkpointing"])
@pytest.mark.parametrize("more", [{}, {"freeze": "embeddings"}, {"lora_r": 2}, {"pooling": "max"}], ids=str)
def test_checkpointing_activations_changes_no_weight(command, tmp_path, name, more, monkeypatch):
    """By either name, on every supported version of transformers; and it is really on."""
    import torch.utils.checkpoint

    calls, checkpoint = [], torch.utils.checkpoint.checkpoint
    main(command(**SGD, **more, output_dir=tmp_path / "plain"))
    for module in (torch.utils.checkpoint, transformers.modeling_utils):
        monkeypatch.setattr(module, "checkpoint", lambda *a, **k: calls.append(1) or checkpoint(*a, **k), raising=False)
    main(command(**SGD, **more, **{name: True}, output_dir=tmp_path / "checkpointed"))
    assert calls
    assert largest_difference(tmp_path / "plain", tmp_path / "checkpointed") < 1e-6


# ------------------------------------------------------------------------------------------------------------ errors


def save_bert_without_layers(folder):
    make_bert(num_hidden_layers=0).bert.save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)


def save_perceiver(folder):
    """Its hidden states are of latents, not of tokens."""
    config = transformers.PerceiverConfig(num_latents=4, d_latents=16, d_model=16, num_blocks=1, vocab_size=64,
        num_self_attends_per_block=1, num_self_attention_heads=2, num_cross_attention_heads=2,
        qk_channels=16, v_channels=16, max_position_embeddings=64)  # fmt: skip
    transformers.PerceiverForSequenceClassification(config).save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)


@pytest.mark.parametrize(
    ("save", "flags", "words"),
    [
        (None, {"freeze_layers": 2}, ["--freeze_layers 2", "this model has 1", "smaller number"]),
        (None, {"freeze_layers": -1}, ["--freeze_layers -1", "at least 0"]),
        (None, {"freeze": "layers"}, ["--freeze", "layers", "encoder"]),
        (None, {"lora_r": 0}, ["--lora_r 0", "at least 1"]),
        (None, {"lora_r": 4, "freeze": "encoder"}, ["--lora_r 4", "--freeze encoder", "one of them"]),
        (None, {"freeze_layers": 1, "freeze": "encoder"}, ["--freeze_layers 1", "--freeze encoder", "one of them"]),
        (None, {"lora_merge": False}, ["--lora_merge False", "--lora_r"]),
        (None, {"lora_r": 4, "lora_merge": False, "pooling": "max"}, ["--pooling max", "--lora_merge", "one of them"]),
        (None, {"lora_r": 4, "do_predict": True}, ["--lora_r 4", "in training", "Leave it out"]),
        (None, {"pooling": "mean", "do_eval": True}, ["--pooling mean", "in training"]),
        (None, {"pooling": "first"}, ["--pooling", "first", "mean"]),
        (save_bert_without_layers, {"lora_r": 4}, ["--lora_r 4", "BertForSequenceClassification", "no linear layer"]),
        (save_perceiver, {"pooling": "mean"}, ["--pooling mean", "no hidden state for each token", "Leave it out"]),
    ],
)  # fmt: skip
def test_what_a_model_cannot_do_is_refused(save, flags, words, command, nothing_slow, tmp_path):
    model = {}
    if save:
        save(tmp_path / "model")
        model = {"model_name_or_path": tmp_path / "model"}
    with pytest.raises(UsageError) as refused:
        main(command(**model, **flags))
    for word in words:
        assert word in str(refused.value)


def test_a_slow_rate_for_a_head_alone_is_said(command, capsys):
    main(command(freeze="encoder", learning_rate=2e-5, dry_run=True))
    assert "--freeze encoder with a learning rate of 2e-05" in capsys.readouterr().out
    main(command(freeze="embeddings", learning_rate=2e-5, dry_run=True))
    assert "pass --learning_rate 1e-3" not in capsys.readouterr().out


def test_what_a_preset_says_of_training_is_dropped_where_nothing_trains(command, tmp_path):
    main(command())
    preset = tmp_path / "preset.yaml"
    preset.write_text("pooling: mean\nfreeze_layers: 1\nlora_merge: false\n", encoding="utf-8")
    again = {"train_file": None, "validation_file": None, "do_predict": True, "output_dir": tmp_path / "again"}
    main([str(preset), *command(**again, model_name_or_path=tmp_path / "out")])
    assert (tmp_path / "again" / "predictions.csv").read_text() == (tmp_path / "out" / "predictions.csv").read_text()
