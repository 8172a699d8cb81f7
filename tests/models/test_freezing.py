"""What is frozen does not move, everything else does, and the lines count both."""

from __future__ import annotations

import pytest
import torch
import transformers
import zoo
from helpers import make_bert, make_tokenizer

from classification.errors import UsageError
from classification.models.freezing import describe_trainable, frozen_names

EMBEDDINGS, LAYERS, HEAD = "embeddings", "layers", "head"
PARTS = {  # architecture -> the part that a parameter belongs to, written by hand
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
TEXTS = ["the film was very good and it was not a dull book", "the room was bad"]


def part_of(name: str, architecture: str) -> str:
    return next(part for prefix, part in PARTS[architecture].items() if name.startswith(prefix))


@pytest.fixture(autouse=True)
def own_folder(monkeypatch, tmp_path):
    """The library's Trainer makes its output folder."""
    monkeypatch.chdir(tmp_path)


def one_step(loaded) -> dict[str, torch.Tensor]:
    """A step of the Trainer's optimizer with a weight decay that would move parameters without gradients too.

    Returns:
        The parameters before it.
    """
    model = loaded.model.train()
    args = transformers.TrainingArguments(
        output_dir="unused", weight_decay=0.1, learning_rate=0.01, use_cpu=True, report_to="none"
    )
    optimizer = transformers.Trainer(model=model, args=args).create_optimizer()
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    model(**zoo.encode(loaded.tokenizer, TEXTS), labels=torch.tensor([1, 0])).loss.backward()
    optimizer.step()
    return before


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
def test_what_is_frozen_does_not_move_and_everything_else_does(architecture, flags, frozen, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    loaded = zoo.load(zoo.saved(architecture, num_hidden_layers=3), max_length=24, **flags)
    before, trainable = one_step(loaded), 0
    for name, parameter in loaded.model.named_parameters():
        is_frozen = part_of(name, architecture) in frozen
        if part_of(name, architecture) == LAYERS:
            is_frozen = is_frozen or any(part in name for part in frozen if part.startswith("."))
        if is_frozen:
            assert torch.equal(parameter, before[name]), name
            continue
        trainable += parameter.numel()
        if not name.endswith(("key.bias", "k_proj.bias", "key_proj.bias")):  # softmax cancels it: its gradient is 0
            assert not torch.equal(parameter, before[name]), name
    total = sum(parameter.numel() for parameter in loaded.model.parameters())
    line = describe_trainable(loaded.model, learning_rate=0.01)[0]
    assert f"{trainable / 1e6:.2f}M of {total / 1e6:.2f}M are trained" in line.text


def test_layers_that_share_their_weights_are_not_frozen_one_by_one():
    with pytest.raises(UsageError, match="--freeze_layers 1: this model has no list of layers"):
        zoo.load(zoo.saved("albert"), freeze_layers=1)
    frozen = frozen_names(zoo.load(zoo.saved("albert")).model, "embeddings", 0)
    assert frozen and all("embedding" in name for name in frozen)


def test_more_layers_than_the_model_has_are_refused(tiny_model):
    with pytest.raises(UsageError, match="--freeze_layers 2: this model has 1.*smaller number"):
        zoo.load(tiny_model, freeze_layers=2)


def test_a_low_learning_rate_for_a_head_alone_is_a_warning(tiny_model):
    def text(rate: float, **flags) -> str:
        return " ".join(line.text for line in describe_trainable(zoo.load(tiny_model, **flags).model, rate))

    assert "--freeze encoder with a learning rate of 2e-05" in text(2e-5, freeze="encoder")
    for rate, flags in ((2e-5, {"freeze": "embeddings"}), (1e-3, {"freeze": "encoder"}), (2e-5, {})):
        assert "pass --learning_rate" not in text(rate, **flags)


def test_a_low_learning_rate_for_adapters_is_a_warning(tiny_model):
    model = zoo.load(tiny_model, lora_r=2).model
    parameters, rate = describe_trainable(model, learning_rate=2e-5)
    assert "LoRA adapters of rank 2 on 6 matrices, and the head" in parameters.text
    assert "pass --learning_rate 2e-4" in rate.text
    assert len(describe_trainable(model, learning_rate=2e-4)) == 1


def test_a_model_without_layers_has_no_place_for_adapters(tmp_path):
    make_bert(num_hidden_layers=0).bert.save_pretrained(tmp_path)
    make_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(UsageError, match="--lora_r 4: BertForSequenceClassification has no linear layer"):
        zoo.load(tmp_path, lora_r=4)
