"""The head of a loaded model is kept where its outputs mean the labels, and is really new where they do not."""

from __future__ import annotations

import gc
import json
import weakref

import pytest
import torch
import transformers
import zoo
from helpers import make_bert, make_tokenizer

from classification.data.tasks import infer_task
from classification.data.trained_labels import continue_task
from classification.errors import UsageError
from classification.models import pooling
from classification.models.choice import ModelChoice
from classification.models.head_prior import decide_prior
from classification.models.loading import load_config
from classification.models.parts import encoder_prefix, output_layer
from classification.models.regression_head import own_units

SMALL = {"vocab_size": 64, "d_model": 16}
OTHERS = {  # families beside those of the zoo
    "xlnet": transformers.XLNetConfig(**SMALL, n_layer=1, n_head=2, d_inner=16),
    "fnet": transformers.FNetConfig(vocab_size=64, hidden_size=16, num_hidden_layers=1, intermediate_size=16),
    "t5": transformers.T5Config(**SMALL, d_kv=8, d_ff=16, num_layers=1, num_heads=2, decoder_start_token_id=0),
    "bart": transformers.BartConfig(**SMALL, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
                                    decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16,
                                    max_position_embeddings=64, pad_token_id=0),
}  # fmt: skip


def save(loaded, folder):
    loaded.model.save_pretrained(folder)
    loaded.tokenizer.save_pretrained(folder)
    return folder


def classifier(folder, *names, **changes):
    """A trained classifier with these classes in this order; its head is far from a new one."""
    model = make_bert(num_labels=len(names), id2label=dict(enumerate(names)), label2id={}, **changes)
    torch.nn.init.normal_(model.classifier.weight)
    torch.nn.init.normal_(model.classifier.bias)
    model.save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return folder


def tensors(loaded) -> dict:
    return {name: tensor.clone() for name, tensor in loaded.model.state_dict().items()}


# --------------------------------------------------------------------------------------------------------------- kept


@pytest.mark.parametrize("names", [("positive", "negative"), ("Positive", " negative")])
def test_a_kept_head_is_bitwise_that_of_the_file_and_its_names_are_in_its_order(names, tmp_path):
    loaded = zoo.load(classifier(tmp_path, *names))
    assert list(loaded.model.config.id2label.values()) == ["positive", "negative"]
    assert zoo.lines_of(loaded)["head"].startswith("kept")
    saved = zoo.load(tmp_path, training=False)
    assert all(torch.equal(tensor, tensors(saved)[name]) for name, tensor in tensors(loaded).items())


def test_a_kept_head_has_no_prior(tmp_path):
    prior = decide_prior(infer_task(["negative", "positive"]), [0] * 9 + [1])
    bias = zoo.load(classifier(tmp_path, "positive", "negative"), prior=prior).model.classifier.bias
    assert torch.equal(bias, zoo.load(tmp_path, training=False).model.classifier.bias)


# ---------------------------------------------------------------------------------------------------------- start anew


@pytest.mark.parametrize("architecture", [*zoo.ARCHITECTURES, *OTHERS])
def test_a_head_for_other_classes_is_new_in_every_tensor_and_the_encoder_is_loaded(architecture, tmp_path):
    if architecture in OTHERS:
        torch.manual_seed(1)
        transformers.AutoModel.from_config(OTHERS[architecture]).save_pretrained(tmp_path / "base")
        make_tokenizer().save_pretrained(tmp_path / "base")
    base = tmp_path / "base" if architecture in OTHERS else zoo.saved(architecture)
    first = zoo.load(base, ("ham", "spam"))
    with torch.no_grad():
        for tensor in first.model.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(0.25)  # trained: norms are not 1, biases not 0
    again = zoo.load(save(first, tmp_path / "trained"))
    before, after = tensors(first), tensors(again)
    output, layer = output_layer(again.model)
    assert layer is not None and before.keys() == after.keys()
    outside = [name for name in before if not name.startswith(encoder_prefix(again.model))]
    assert f"{output}.weight" in outside
    assert not [name for name in outside if torch.equal(before[name], after[name])]
    assert all(torch.equal(before[name], after[name]) for name in before if name not in outside)
    warnings = [line.text for line in again.lines if "the head starts from new weights" in line.text]
    assert len(warnings) == 1 and "(ham, spam)" in warnings[0]


def test_a_new_head_is_drawn_as_any_new_head(tmp_path):
    """With the spread of the config, and zero biases."""
    head = zoo.load(classifier(tmp_path, "spam", "ham")).model.classifier
    assert 0.02 < head.weight.std() < 0.1 and not head.bias.any()


def test_a_multi_label_head_is_new_for_one_label_per_row(tmp_path):
    config = {"problem_type": "multi_label_classification"}
    before = zoo.load(classifier(tmp_path, "negative", "positive", **config), training=False).model.classifier.weight
    loaded = zoo.load(tmp_path)
    assert "another task (multi-label" in zoo.lines_of(loaded)[""]
    assert not torch.equal(loaded.model.classifier.weight, before)


def test_with_another_number_of_classes_the_flag_makes_the_whole_head_new(tmp_path):
    """A RoBERTa head has a dense layer before the output, which fits any number of classes."""
    first = save(zoo.load(zoo.saved("roberta"), "abc"), tmp_path)
    with pytest.raises(UsageError, match="sizes than in the model. .*pass --ignore_mismatched_sizes"):
        zoo.load(first)
    loaded = zoo.load(first, ignore_mismatched_sizes=True)
    assert loaded.model.classifier.out_proj.out_features == 2 and "head" not in zoo.lines_of(loaded)


def test_a_head_of_another_size_than_the_config_says_is_not_used(tmp_path):
    classifier(tmp_path, "a", "b")
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"id2label": {"0": "a", "1": "b", "2": "c"}}))
    with pytest.raises(UsageError, match="weights do not fit: .*correct id2label there"):
        zoo.load(tmp_path, training=False)
    assert "head starts from new weights" in zoo.lines_of(zoo.load(tmp_path))[""]
    config["id2label"] = {"0": "a", "1": "b"}  # the remedy
    (tmp_path / "config.json").write_text(json.dumps(config))
    zoo.load(tmp_path, training=False)


@pytest.mark.parametrize("names", [["a", "b"], {"a": 0, "b": 1}])
def test_a_config_with_names_in_another_form_is_refused_with_the_right_one(names, tmp_path):
    classifier(tmp_path, "a", "b")
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"id2label": names}))
    with pytest.raises(UsageError, match='id2label in its config.json is .*as {"0": "negative"'):
        zoo.load(tmp_path, training=False)


# ----------------------------------------------------------------------------------------------------------- regression


@pytest.mark.parametrize("architecture", ["bert", "gpt2"])
def test_a_regressor_goes_on_with_its_numbers_on_labels_of_another_scale(architecture, tmp_path):
    """BERT's head moves to the new scale; GPT-2's has no bias, and keeps the scale of its own training."""
    texts = ["the film was good", "the room was bad and the book was dull"]
    old, new = [10.5, 20.5, 60.5], [100.5, 130.0, 199.0]
    first = zoo.load(zoo.saved(architecture), old)
    expected = infer_task(old).in_units(zoo.scores(first, texts).numpy())
    with own_units(first.model, infer_task(old)):
        save(first, tmp_path)
    task = continue_task(infer_task(new), load_config(ModelChoice(str(tmp_path))))
    again = zoo.load(tmp_path, new)
    assert task.in_units(zoo.scores(again, texts).numpy()) == pytest.approx(expected, abs=1e-3)
    assert zoo.lines_of(again)["head"].startswith("kept")


def test_a_regressor_of_the_hub_goes_on_in_its_own_numbers(tmp_path):
    texts, labels = ["the film was good", "bad"], [1.5, 2.5, 9.0]
    expected = zoo.scores(zoo.load(classifier(tmp_path, "LABEL_0"), training=False), texts).numpy()
    again = infer_task(labels).in_units(zoo.scores(zoo.load(tmp_path, labels), texts).numpy())
    assert again == pytest.approx(expected, abs=1e-5)


def test_a_regressor_without_a_bias_or_a_known_scale_starts_anew(tmp_path):
    loaded = zoo.load(zoo.saved("gpt2"), [1.5, 2.0])
    for name in ("label_mean", "label_std"):
        delattr(loaded.model.config, name)
    again = zoo.load(save(loaded, tmp_path), [10.5, 99.0])
    assert "no bias, so that it cannot be brought to the scale" in zoo.lines_of(again)[""]
    assert not torch.equal(again.model.score.weight, loaded.model.score.weight)


# -------------------------------------------------------------------------------------------------------------- pooled


def test_the_encoder_under_a_pooled_head_exists_once(tiny_model, monkeypatch):
    """Two copies of a large encoder may not fit into memory."""
    made, read = [], pooling.read_weights
    create = pooling.PooledForSequenceClassification

    def watch(config):
        model = create(config)
        made.append(weakref.ref(model.encoder))
        return model

    def count(*arguments, **flags):
        gc.collect()
        assert made[0]() is None, "the random encoder is alive while the trained one is read"
        return read(*arguments, **flags)

    monkeypatch.setattr(pooling, "PooledForSequenceClassification", watch)
    monkeypatch.setattr(pooling, "read_weights", count)
    loaded = zoo.load(tiny_model, pooling="mean")
    own = zoo.load(tiny_model).model.bert.state_dict()
    encoder = loaded.model.encoder.state_dict()
    assert own.keys() - encoder.keys() == {"pooler.dense.weight", "pooler.dense.bias"}
    assert all(torch.equal(tensor, own[name]) for name, tensor in encoder.items())
