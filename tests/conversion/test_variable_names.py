"""Every variable of a checkpoint is used, left out by name, or in an error."""

from __future__ import annotations

import pytest
import torch
from made_releases import CONFIG, variables_of
from transformers import BertConfig, BertForPreTraining, BertForSequenceClassification

from classification.conversion.bert_settings import BertSettings
from classification.conversion.variable_names import Stored, account_for, known_variables
from classification.errors import UsageError

SETTINGS = BertSettings({name: value for name, value in CONFIG.items() if isinstance(value, int)})


def stored_of(**made):
    return {name: Stored(value.shape, value.dtype.name) for name, value in variables_of(**made).items()}


def refused(stored, *words):
    with pytest.raises(UsageError) as error:
        account_for(stored, SETTINGS, "ZIP_OR_DIR it")
    text = str(error.value)
    assert "\n" not in text and not [word for word in words if word not in text], text


def test_the_names_are_exactly_those_of_transformers():
    """And the shapes, turned where TensorFlow multiplies the other way round."""
    with torch.device("meta"):
        models = [BertForPreTraining(BertConfig(**CONFIG)), BertForSequenceClassification(BertConfig(**CONFIG))]
    tensors = {name: tuple(value.shape) for model in models for name, value in model.state_dict().items()}
    ours = {one.tensor: one.shape[::-1] if one.turns else one.shape for one in known_variables(SETTINGS, 2).values()}
    tied = {"cls.predictions.decoder.weight", "cls.predictions.decoder.bias"}
    assert ours == {name: shape for name, shape in tensors.items() if name not in tied}


def test_the_names_are_exactly_those_of_google():
    assert known_variables(SETTINGS).keys() == variables_of().keys()
    assert {name: one.shape for name, one in known_variables(SETTINGS, 4).items()} == {
        name: value.shape for name, value in variables_of(classes=4).items()
    }


@pytest.mark.parametrize("made", [{}, {"slots": True}, {"head": False, "classes": 3, "slots": True}, {"pooler": False}])
def test_every_variable_has_one_place(made):
    stored = stored_of(**made)
    account = account_for(stored, SETTINGS, "it")
    names = [one.name for one in account.used] + [name for names in account.left_out.values() for name in names]
    assert sorted(names) == sorted(stored)
    assert account.classes == made.get("classes")


@pytest.mark.parametrize(
    ("name", "reason"),
    [("beta1_power", "of the optimizer"), ("bert/pooler/dense/bias/Adam_1", "of the optimizer"),
     ("cls/squad/output_weights", "of a head for answers in a text")],
)  # fmt: skip
def test_what_is_known_and_not_needed_is_left_out_by_name(name, reason):
    account = account_for(stored_of() | {name: Stored((), "float32")}, SETTINGS, "it")
    assert account.left_out == {reason: [name]} and f"left out: 1 {reason} ({name})" in account.describe()


def test_a_head_with_one_output_is_left_out():
    stored = stored_of(head=False, classes=1)
    account = account_for(stored, SETTINGS, "it")
    assert account.left_out == {"of a head with one output": ["output_bias", "output_weights"]}


@pytest.mark.parametrize(
    "name",
    ["bert/encoder/layer_2/output/dense/bias", "bert/pooler/dense/bias/ExponentialMovingAverage", "other", "x/adam_m",
     "bert/embeddings/word_embeddings_2", "output_bias"],
)  # fmt: skip
def test_a_variable_without_a_place_is_listed(name):
    refused(stored_of() | {name: Stored((3,), "float32")}, "1 variables have no place in a BERT of 2 layers", name)


@pytest.mark.parametrize(
    "name",
    ["bert/embeddings/LayerNorm/beta", "bert/pooler/dense/bias", "cls/predictions/output_bias",
     "cls/seq_relationship/output_bias", "bert/encoder/layer_1/attention/self/key/kernel"],
)  # fmt: skip
def test_a_part_is_complete_or_not_there(name):
    stored = stored_of()
    del stored[name]
    refused(stored, f"1 variables are missing: {name}", "Take the whole checkpoint")


def test_half_a_head_for_classes_is_refused():
    stored = stored_of(classes=3)
    del stored["output_bias"]
    refused(stored, "1 variables are missing: output_bias")


@pytest.mark.parametrize("name", ["bert/embeddings/position_embeddings", "bert/pooler/dense/kernel", "output_bias"])
def test_another_shape_than_the_config_means_names_the_variable(name):
    stored = stored_of(classes=3)
    refused(stored | {name: Stored((5, 7), "float32")}, f"{name} has the shape [5, 7], and bert_config.json means [")


@pytest.mark.parametrize("dtype", ["int8", "string", "float8_e5m2"])
def test_another_number_format_is_refused(dtype):
    name = "bert/pooler/dense/kernel"
    refused(stored_of() | {name: Stored((12, 12), dtype)}, f"{name} holds {dtype} in place of float32")


@pytest.mark.parametrize(
    ("name", "words"),
    [("_CHECKPOINTABLE_OBJECT_GRAPH", "of Keras (TensorFlow 2)"),
     ("model/layer-0/bias/.ATTRIBUTES/VARIABLE_VALUE", "of Keras (TensorFlow 2)")],
)  # fmt: skip
def test_a_checkpoint_of_keras_is_named(name, words):
    refused(stored_of() | {name: Stored((), "string")}, words)


def test_another_architecture_is_named():
    refused({"electra/embeddings/word_embeddings": Stored((3, 3), "float32")}, "holds no BERT", "electra/embeddings")
    refused({}, "holds no BERT")


def test_two_layers_of_ten_and_more_are_told_apart():
    settings = BertSettings(SETTINGS.sizes | {"num_hidden_layers": 12})
    known = known_variables(settings)
    assert known["bert/encoder/layer_11/output/dense/bias"].tensor == "bert.encoder.layer.11.output.dense.bias"
    assert len({one.tensor for one in known.values()}) == len(known)
