"""Each layer has the learning rate that its depth says, in every architecture and under every schedule."""

from __future__ import annotations

import pytest
import torch
import transformers
import zoo
from helpers import assert_refused, make_bert
from transformers import AutoConfig, AutoModelForSequenceClassification, TrainingArguments

from classification.training.layer_rates import LayerRates
from classification.training.optimizer_trial import optimizer_made

RATE = 0.01
OUTSIDE_LAYERS = {  # part of a name -> depth in a model of two layers
    "bert": {"classifier.": 0, "pooler.": 0, "word_embeddings": 3, "embeddings.LayerNorm": 3, "layer.1.": 1},
    "albert": {"classifier.": 0, "albert.pooler": 0, "albert_layer_groups.0.": 1, "embedding_hidden_mapping_in": 2},
    "electra": {"classifier.dense": 0, "embeddings_project": 3, "layer.0.": 2},
    "mpnet": {"classifier.dense": 0, "encoder.relative_attention_bias": 3, "layer.1.": 1},
    "deberta-v2": {"pooler.dense": 0, "encoder.rel_embeddings": 3, "encoder.LayerNorm": 3, "layer.0.": 2},
    "modernbert": {"head.norm": 0, "final_norm": 1, "embeddings.norm": 3, "layers.1.": 1},
    "gpt2": {"score": 0, "transformer.ln_f": 1, "wpe": 3, "h.0.": 2},
    "llama": {"score": 0, "model.norm": 1, "embed_tokens": 3, "layers.1.": 1},
}
SMALL = {
    "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": 32,
    "max_position_embeddings": 16,
}  # fmt: skip
NARROW = {"n_heads": 2, "n_layers": 3, "emb_dim": 16, "n_words": 32}
NO_ZOO = {  # architectures that the zoo does not have
    "fnet": SMALL,
    "deberta": SMALL | {"relative_attention": True, "pos_att_type": "p2c|c2p"},
    "xlnet": {"d_model": 16, "n_layer": 3, "n_head": 2, "d_inner": 32, "vocab_size": 32},
    "xlm": NARROW,
    "longformer": SMALL | {"attention_window": [4, 4, 4]},
    "mobilebert": SMALL | {"embedding_size": 8, "intra_bottleneck_size": 8, "true_hidden_size": 8},
}


@pytest.fixture(autouse=True)
def own_folder(monkeypatch, tmp_path):
    """The library's Trainer makes its output folder."""
    monkeypatch.chdir(tmp_path)


def arguments(folder, **changes) -> TrainingArguments:
    standard = {"learning_rate": RATE, "weight_decay": 0.1, "use_cpu": True, "report_to": "none"}
    return TrainingArguments(output_dir=str(folder), **standard | changes)


def split(model, folder, decay: float = 0.5) -> tuple[LayerRates, torch.optim.Optimizer]:
    """The rates of a model, and an optimizer of the library that has them."""
    optimizer = transformers.Trainer(model=model, args=arguments(folder)).create_optimizer()
    rates = LayerRates.of(model, decay)
    rates.split_groups(optimizer, model, "--optim adamw_torch")
    return rates, optimizer


def assert_every_weight_once(model, rates: LayerRates, optimizer, decay: float = 0.5) -> None:
    """Every trainable weight is in one group, which has its rate and the library's weight decay."""
    library = transformers.Trainer(model=model, args=arguments("unused")).create_optimizer()
    decays = {id(each): group["weight_decay"] for group in library.param_groups for each in group["params"]}
    names = {id(each): name for name, each in model.named_parameters()}
    grouped = [(each, group) for group in optimizer.param_groups for each in group["params"]]
    assert len(grouped) == len({id(each) for each, _ in grouped})
    assert {id(each) for each, _ in grouped} == {id(each) for each in model.parameters() if each.requires_grad}
    for each, group in grouped:
        name = names[id(each)].removeprefix("base_model.model.")
        assert group["lr"] == RATE * decay ** rates.depths[name], name
        assert group["weight_decay"] == decays[id(each)], name
    assert 0.1 in decays.values()
    assert optimizer.param_groups[0]["lr"] == RATE and optimizer.param_groups[-1]["lr"] <= RATE / 2


# ------------------------------------------------------------------------------------------------------------- groups


@pytest.mark.parametrize("architecture", zoo.ARCHITECTURES)
def test_every_weight_has_the_rate_of_its_layer(architecture, tmp_path):
    zoo.save_pretrained(architecture, tmp_path)
    model = zoo.load(tmp_path).model
    rates, optimizer = split(model, tmp_path)
    assert_every_weight_once(model, rates, optimizer)
    for part, depth in OUTSIDE_LAYERS.get(architecture, {}).items():
        found = {rates.depths[name] for name in rates.depths if part in name}
        assert found == {depth}, part


@pytest.mark.parametrize("architecture", NO_ZOO)
def test_architectures_with_unusual_layers_have_a_rate_per_layer(architecture, tmp_path):
    """XLM has the parts of its layers in lists of their own; MobileBERT has lists inside its layers."""
    model = AutoModelForSequenceClassification.from_config(AutoConfig.for_model(architecture, **NO_ZOO[architecture]))
    rates, optimizer = split(model, tmp_path)
    assert rates.layers == 3 and set(rates.depths.values()) == {0, 1, 2, 3, 4}
    for name, depth in rates.depths.items():
        numbers = [int(part) for part in name.split(".") if part.isdigit()]
        if numbers and depth:
            assert depth == 3 - numbers[0], name
    assert {id(each) for group in optimizer.param_groups for each in group["params"]} == set(
        map(id, model.parameters())
    )


def test_an_lstm_has_rates_by_layer(tmp_path):
    from classification.models.bilstm import BiLstmConfig, BiLstmForSequenceClassification

    config = BiLstmConfig(vocab_size=20, embedding_size=8, hidden_size=8, num_hidden_layers=2, num_labels=2)
    model = BiLstmForSequenceClassification(config)
    depths = LayerRates.of(model, 0.5).depths
    assert depths["bilstm.embeddings.weight"] == 3 and depths["classifier.weight"] == 0
    assert depths["bilstm.layers.0.onward.weight_ih_l0"] == 2 and depths["bilstm.layers.1.back.bias_hh_l0"] == 1


@pytest.mark.parametrize("architecture", ["bert", "gpt2", "albert"])
def test_adapters_have_the_rate_of_their_layer(architecture, tmp_path):
    zoo.save_pretrained(architecture, tmp_path)
    model = zoo.load(tmp_path, lora_r=2).model
    rates, optimizer = split(model, tmp_path)
    assert_every_weight_once(model, rates, optimizer)
    adapters = {name: depth for name, depth in rates.depths.items() if "lora_A" in name}
    layers = 1 if architecture == "albert" else 2
    assert set(adapters.values()) == set(range(1, layers + 1))
    assert all(depth == layers - int(next(filter(str.isdigit, name.split(".")))) for name, depth in adapters.items())


def test_frozen_weights_are_in_no_group(tmp_path):
    zoo.save_pretrained("bert", tmp_path)
    model = zoo.load(tmp_path, freeze_layers=1).model
    rates, optimizer = split(model, tmp_path)
    assert_every_weight_once(model, rates, optimizer)
    assert [group["lr"] for group in optimizer.param_groups] == [RATE, RATE, RATE / 2, RATE / 2]
    assert rates.summary(model, RATE)[0].text == "head 0.01, top layer 0.005: times 0.5 per layer"


def test_the_summary_names_the_rates_of_head_top_layer_and_embeddings(tmp_path):
    model = make_bert(num_hidden_layers=12)
    assert LayerRates.of(model, 0.9).summary(model, 5e-5)[0].text == (
        "head 5e-05, top layer 4.5e-05, embeddings 1.27e-05: times 0.9 per layer"
    )
    model.bert.embeddings.requires_grad_(False)
    assert "layer 1 of 12 1.41e-05" in LayerRates.of(model, 0.9).summary(model, 5e-5)[0].text
    zoo.save_pretrained("albert", tmp_path)
    model = zoo.load(tmp_path).model
    assert "its 2 layers share the weights of 1" in LayerRates.of(model, 0.9).summary(model, 5e-5)[0].text


# -------------------------------------------------------------------------------------------------------- the training


def trained(make_trainer, decay: float | None, **changes):
    model = make_bert(num_hidden_layers=2)
    rates = None if decay is None else LayerRates.of(model, decay)
    trainer = make_trainer({"model": model, "layer_rates": rates}, **{"weight_decay": 0.1} | changes)
    trainer.train()
    return trainer


def test_a_step_is_the_formula_of_adamw_with_the_rate_of_the_layer(make_trainer):
    """Loshchilov and Hutter 2019, first step: m / (1 - b1) = g and v / (1 - b2) = g * g."""
    model = make_bert(num_hidden_layers=2)
    trainer = make_trainer(
        {"model": model, "layer_rates": LayerRates.of(model, 0.5)},
        max_steps=1, lr_scheduler_type="constant", max_grad_norm=0, weight_decay=0.1, eval_strategy="no",
    )  # fmt: skip
    before = {name: each.detach().clone() for name, each in model.named_parameters()}
    gradients: dict[str, torch.Tensor] = {}
    for name, each in model.named_parameters():
        each.register_hook(lambda gradient, name=name: gradients.__setitem__(name, gradient.clone()))
    trainer.train()
    powers = {"classifier": 0, "pooler": 0, "layer.1.": 1, "layer.0.": 2, "embeddings": 3}
    for name, each in model.named_parameters():
        rate = 0.005 * 0.5 ** next(power for part, power in powers.items() if part in name)
        slope = gradients[name] / (gradients[name].abs() + 1e-8)
        decay = 0.1 if each.dim() >= 2 else 0.0
        expected = before[name] * (1 - rate * decay) - rate * slope
        assert torch.allclose(each, expected, atol=1e-7), name
        assert not torch.equal(each, before[name]) or not gradients[name].any(), name


@pytest.mark.parametrize("optim", ["adamw_torch_fused", "adafactor", "sgd", "rmsprop", "adagrad"])
def test_a_factor_of_1_is_the_plain_run_bit_for_bit(optim, make_trainer):
    plain, same = (trained(make_trainer, decay, optim=optim, num_train_epochs=1) for decay in (None, 1.0))
    other = trained(make_trainer, 0.5, optim=optim, num_train_epochs=1)
    weights = plain.model.state_dict()
    assert all(torch.equal(each, weights[name]) for name, each in same.model.state_dict().items())
    moved = [name for name, each in other.model.state_dict().items() if not torch.equal(each, weights[name])]
    assert len(moved) > 30


SCHEDULES = {
    "linear": {}, "cosine": {}, "constant": {}, "inverse_sqrt": {}, "polynomial": {}, "cosine_with_restarts": {},
    "cosine_with_min_lr": {"min_lr_rate": 0.1}, "warmup_stable_decay": {"num_decay_steps": 4},
    "reduce_lr_on_plateau": {"patience": 0, "threshold": 1e9},
}  # fmt: skip


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_scales_all_layers_and_the_logged_rate_is_the_heads(schedule, make_trainer):
    rates = []
    for decay in (None, 0.5):
        trainer = trained(
            make_trainer, decay, lr_scheduler_type=schedule, lr_scheduler_kwargs=SCHEDULES[schedule] or None,
            warmup_steps=2, logging_steps=1, metric_for_best_model="loss", num_train_epochs=1,
        )  # fmt: skip
        rates.append([entry["learning_rate"] for entry in trainer.state.log_history if "learning_rate" in entry])
    assert rates[0] == rates[1] and len(rates[0]) == 8
    groups = [group["lr"] / (0.5**power) for group, power in zip(
        trainer.optimizer.param_groups, (0, 0, 1, 1, 2, 2, 3, 3), strict=True)]  # fmt: skip
    assert groups == pytest.approx([groups[0]] * 8, rel=1e-6)


# ------------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize("architecture", ["t5", "bart"])
def test_a_model_without_one_list_of_layers_is_refused(architecture):
    small = {"d_model": 16, "vocab_size": 32, "num_layers": 1, "encoder_layers": 1, "decoder_layers": 1}
    model = AutoModelForSequenceClassification.from_config(AutoConfig.for_model(architecture, **small))
    assert_refused(["--layerwise_lr_decay 0.9", type(model).__name__, "Leave the flag out"], LayerRates.of, model, 0.9)


def test_an_optimizer_without_all_weights_in_its_groups_is_refused():
    model = make_bert()
    optimizer = torch.optim.SGD(model.classifier.parameters(), lr=0.1)
    words = ["--layerwise_lr_decay 0.9 and --optim some", "Choose --optim adamw_torch"]
    assert_refused(words, LayerRates.of(model, 0.9).split_groups, optimizer, model, "--optim some")


def test_the_groups_are_split_once(make_trainer):
    """The optimizer is made as a trial, by a dry run, and by the training."""
    model = make_bert()
    trainer = make_trainer({"model": model, "layer_rates": LayerRates.of(model, 0.5)})
    with optimizer_made(trainer, 10):
        pass
    for _ in range(2):
        trainer.create_optimizer()
    assert [group["lr"] for group in trainer.optimizer.param_groups] == [0.005] * 2 + [0.0025] * 2 + [0.00125] * 2
