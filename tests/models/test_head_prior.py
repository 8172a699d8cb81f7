"""The bias of a new head is at the class shares of train, and nothing else of the model changes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers
import zoo
from helpers import make_bert, make_tokenizer

from classification.data.tasks import infer_task
from classification.models.head_prior import apply_prior, decide_prior
from classification.models.parts import output_layer
from classification.training.class_weights import class_weights
from classification.training.objective import Objective
from classification.training.samplers import class_draw_weights

SINGLE, SEVERAL = infer_task(["a", "b", "c"]), infer_task([["a", "b"], ["c"]])
IDS = np.array([0] * 70 + [1] * 25 + [2] * 5)
ROWS = np.array([[1.0, 0.0, 0.0]] * 70 + [[1.0, 1.0, 0.0]] * 25 + [[0.0, 0.0, 1.0]] * 5)
TEXTS = ["the film was good", "bad"]


def entropy(shares) -> float:
    shares = np.asarray(shares)
    return float(-(shares * np.log(shares)).sum())


def first_loss(task, label_ids, prior, weights=None, drawn=None) -> float:
    """The objective over all rows of a head that outputs its bias: the loss before the first step."""
    logits = np.tile(prior.logits.astype(np.float32), (len(label_ids), 1))
    if drawn is None:
        return Objective(task, weights).mean(logits, np.asarray(label_ids))
    losses = task.row_losses(logits, np.asarray(label_ids))
    return float((losses * drawn).sum() / drawn.sum())


# -------------------------------------------------------------------------------------------------------------- values


def test_one_label_per_row_starts_at_the_log_shares_with_one_count_more_each():
    prior = decide_prior(SINGLE, IDS)
    assert np.exp(prior.logits) == pytest.approx([71 / 103, 26 / 103, 6 / 103])
    assert first_loss(SINGLE, IDS, prior) == pytest.approx(entropy([0.7, 0.25, 0.05]), abs=1e-3)


def test_several_labels_per_row_start_at_their_log_odds():
    prior = decide_prior(SEVERAL, ROWS)
    assert prior.logits == pytest.approx(np.log([96 / 6, 26 / 76, 6 / 96]))
    expected = np.mean([entropy([p, 1 - p]) for p in (0.95, 0.25, 0.05)])
    assert first_loss(SEVERAL, ROWS, prior) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    ("task", "ids", "given"),
    [(SINGLE, IDS, "balanced"), (SINGLE, IDS, "effective"), (SINGLE, IDS, {"c": 5.0}),
     (SEVERAL, ROWS, "balanced"), (SEVERAL, ROWS, {"c": 5.0})],
)  # fmt: skip
def test_with_class_weights_the_shares_are_the_weighted_ones(task, ids, given):
    """No other constant has a lower objective: the first loss is the entropy of the weighted shares."""
    weights = class_weights(given, task, ids)
    prior = decide_prior(task, ids, weights)
    weighted = task.answer_counts(ids) * weights
    shares = np.atleast_2d(weighted / weighted.sum(axis=-1, keepdims=True))
    assert first_loss(task, ids, prior, weights) == pytest.approx(np.mean([entropy(row) for row in shares]), abs=2e-3)
    for shift in (0.3, -0.3):
        moved = type(prior)(prior.logits + shift * np.eye(3)[2], "")
        assert first_loss(task, ids, prior, weights) < first_loss(task, ids, moved, weights)


def test_the_balanced_sampler_makes_every_class_that_occurs_equally_likely():
    prior = decide_prior(SINGLE, IDS, balanced=True)
    assert prior.logits == pytest.approx(np.log([1 / 3] * 3))
    assert first_loss(SINGLE, IDS, prior, drawn=class_draw_weights(IDS)) == pytest.approx(np.log(3))
    without = decide_prior(SINGLE, IDS[IDS < 2], balanced=True)
    assert np.exp(without.logits) == pytest.approx([48.5 / 98, 48.5 / 98, 1 / 98])


@pytest.mark.parametrize("weights", [None, "balanced", "effective"])
def test_a_class_or_a_label_that_train_lacks_or_always_has_stays_finite(weights):
    for task, ids in ((SINGLE, np.array([0] * 50)), (SEVERAL, np.array([[1.0, 0.0, 1.0]] * 50))):
        given = class_weights(weights, task, ids)
        assert np.isfinite(decide_prior(task, ids, given).logits).all()


def test_numbers_have_no_prior():
    assert decide_prior(infer_task([0.5, 1.5]), [-1.0, 1.0]) is None


def test_the_line_names_the_shares_and_how_they_were_counted():
    assert decide_prior(infer_task(["neg", "pos"]), [0] * 89 + [1] * 9).shares == (
        "the class shares of train: neg 0.90, pos 0.10"
    )
    weights = class_weights("balanced", SINGLE, IDS)
    assert "of train, weighted: a 0.33, b 0.33, c 0.33" in decide_prior(SINGLE, IDS, weights).shares
    assert "as the balanced sampler draws them" in decide_prior(SINGLE, IDS, balanced=True).shares
    rare = decide_prior(infer_task(["x", "y"]), [0] * 9999 + [1]).shares
    assert rare.endswith("x 1, y 0.0002")


# -------------------------------------------------------------------------------------------------------------- models


@pytest.mark.parametrize("architecture", zoo.ARCHITECTURES)
def test_only_the_bias_of_the_output_layer_differs_from_a_bias_of_zero(architecture):
    prior = decide_prior(infer_task(["negative", "positive"]), [0] * 89 + [1] * 9)
    zero, state = zoo.load(zoo.saved(architecture)), torch.get_rng_state()
    loaded = zoo.load(zoo.saved(architecture), prior=prior)
    assert torch.equal(torch.get_rng_state(), state)
    name, layer = output_layer(loaded.model)
    line = zoo.lines_of(loaded)["head"]
    if layer.bias is None:
        assert line == f"without a bias, so that it does not start at {prior.shares}"
        return
    assert layer.bias.tolist() == pytest.approx(prior.logits.tolist())
    assert line == f"bias at {prior.shares} (--head_init prior)"
    for key, tensor in zero.model.state_dict().items():
        assert torch.equal(tensor, loaded.model.state_dict()[key]) == (key != f"{name}.bias")


@pytest.mark.parametrize("flags", [{"pooling": "mean"}, {"lora_r": 2}, {"freeze": "encoder"}, {"freeze_layers": 1}])
def test_every_way_to_train_starts_at_the_prior(flags, tiny_model):
    prior = decide_prior(infer_task(["negative", "positive"]), [0] * 89 + [1] * 9)
    loaded = zoo.load(tiny_model, prior=prior, **flags)
    biases = [value for name, value in loaded.model.named_parameters()
              if name.endswith(("classifier.bias", "classifier.modules_to_save.default.bias"))]  # fmt: skip
    assert len(biases) == 1 and biases[0].requires_grad
    assert biases[0].tolist() == pytest.approx(prior.logits.tolist())


@pytest.mark.parametrize(
    "config",
    [
        transformers.XLNetConfig(vocab_size=64, d_model=16, n_layer=1, n_head=2, d_inner=16),
        transformers.FNetConfig(vocab_size=64, hidden_size=16, num_hidden_layers=1, intermediate_size=16),
        transformers.T5Config(vocab_size=64, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2,
                              decoder_start_token_id=0),
        transformers.BartConfig(vocab_size=64, d_model=16, encoder_layers=1, decoder_layers=1,
                                encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=16,
                                decoder_ffn_dim=16),
        transformers.DebertaConfig(vocab_size=64, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
                                   intermediate_size=16),
        transformers.MobileBertConfig(vocab_size=64, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
                                      intermediate_size=16, embedding_size=16, intra_bottleneck_size=16),
    ],
    ids=lambda config: config.model_type,
)  # fmt: skip
def test_the_output_layer_is_the_last_one_of_the_head(config):
    """As many classes as a hidden state has numbers: the dense layer before the output has the same size."""
    config.num_labels = 16
    model = transformers.AutoModelForSequenceClassification.from_config(config)
    name, layer = output_layer(model)
    assert layer.out_features == 16 and name.split(".")[-1] in ("classifier", "out_proj", "logits_proj")


def test_a_head_of_another_form_is_left_alone_and_the_line_says_so():
    prior = decide_prior(SINGLE, IDS)
    assert apply_prior(make_bert(num_labels=2), prior).text.startswith("without a bias")


def test_a_head_that_starts_anew_starts_at_the_prior(tmp_path):
    make_bert(id2label={0: "spam", 1: "ham"}, label2id={}).save_pretrained(tmp_path)
    make_tokenizer().save_pretrained(tmp_path)
    prior = decide_prior(infer_task(["negative", "positive"]), [0] * 89 + [1] * 9)
    assert zoo.load(tmp_path, prior=prior).model.classifier.bias.tolist() == pytest.approx(prior.logits.tolist())
