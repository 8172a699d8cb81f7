"""Weights that do not belong to the model are refused: the library would train random numbers with a warning."""

from __future__ import annotations

import json

import pytest
import transformers
import zoo
from helpers import make_bert, make_tokenizer
from safetensors.torch import load_file, save_file

from classification.data.tasks import infer_task
from classification.errors import UsageError
from classification.models.choice import ModelChoice
from classification.models.loading import load_config, load_model


@pytest.fixture
def folder(tmp_path):
    """A folder with the tiny encoder, which a test may change."""
    make_bert().bert.save_pretrained(tmp_path)
    make_tokenizer().save_pretrained(tmp_path)
    return tmp_path


def test_the_weights_of_another_architecture_are_refused(folder):
    """config.json names BERT, the file holds the tensors of an ELECTRA."""
    tensors = load_file(folder / "model.safetensors")
    renamed = {f"electra.{name}": value for name, value in tensors.items()}
    save_file(renamed, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UsageError, match="weights file or have another size"):
        zoo.load(folder)


def test_a_layer_without_weights_is_refused_under_a_pooled_head_too(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 2}))
    for flags in ({}, {"pooling": "mean"}):
        with pytest.raises(UsageError, match="16 of .* tensors, all of the encoder, are not in the weights file"):
            zoo.load(folder, **flags)


def test_replacing_the_head_never_replaces_the_encoder(folder):
    """The library initialises whatever has another size again, word embeddings too, and reports that all was loaded."""
    choice = ModelChoice(str(folder), ignore_mismatched_sizes=True)
    config = load_config(choice)
    config.vocab_size = 80
    with pytest.raises(UsageError, match="word_embeddings"):
        load_model(choice, config, infer_task(["negative", "positive"]))


def test_an_encoder_without_a_head_is_no_trained_classifier(folder):
    with pytest.raises(UsageError, match="has no trained classification head.*--do_train"):
        zoo.load(folder, training=False)


def test_new_tensors_are_named(folder):
    assert zoo.lines_of(zoo.load(folder))["model"].endswith(
        "23 of 25 tensors loaded; new: classifier.bias, classifier.weight"
    )
    line = zoo.lines_of(zoo.load(folder, pooling="mean"))["model"]
    assert line.endswith("21 of 23 tensors loaded; new: classifier.bias, classifier.weight")


def test_a_model_without_states_per_token_has_no_pooled_head(tmp_path):
    """A Perceiver's hidden states belong to latents."""
    config = transformers.PerceiverConfig(num_latents=4, d_latents=16, d_model=16, num_blocks=1, vocab_size=64,
        num_self_attends_per_block=1, num_self_attention_heads=2, num_cross_attention_heads=2,
        qk_channels=16, v_channels=16, max_position_embeddings=64)  # fmt: skip
    transformers.PerceiverForSequenceClassification(config).save_pretrained(tmp_path)
    make_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(UsageError, match="--pooling mean: .* no hidden state per token of a text. Leave the flag out"):
        zoo.load(tmp_path, pooling="mean")


def test_the_first_token_of_a_decoder_cannot_represent_a_text():
    with pytest.raises(UsageError, match="--pooling cls: in GPT2Model a token sees only .*mean or max"):
        zoo.load(zoo.saved("gpt2"), pooling="cls")
