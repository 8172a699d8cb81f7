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


def refusal_of(folder, **flags) -> str:
    with pytest.raises(UsageError) as refused:
        zoo.load(folder, **flags)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"hidden_act": "nope"}, "no model can be made from its config.json: KeyError 'nope'. Correct it there"),
        ({"hidden_act": 3}, "Field 'hidden_act' expected str, got int (value: 3). Correct its config.json"),
        ({"hidden_size": "32"}, "Field 'hidden_size' expected int, got str (value: '32'). Correct its config.json"),
        ({"vocab_size": None}, "Field 'vocab_size' expected int, got NoneType"),
        ({"hidden_dropout_prob": "x"}, "Field 'hidden_dropout_prob'"),
        ({"num_attention_heads": 0}, "no model can be made from its config.json: "),
        ({"pad_token_id": 999}, "Padding_idx must be within num_embeddings. Correct it there"),
        ({"dtype": "nope"}, "nope'. Correct its config.json"),
        ({"model_type": ["bert"]}, "Correct its config.json"),
        ({"num_labels": "x"}, "Correct its config.json"),
    ],
)
def test_a_damaged_setting_in_config_json_is_one_line(folder, settings, words):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | settings))
    for flags in ({}, {"pooling": "mean"}):
        text = refusal_of(folder, **flags)
        assert text.startswith(f"--model_name_or_path {folder}: ") and words in text


@pytest.mark.parametrize("text", ["[]", "3", "null", '"bert"'])
def test_a_config_json_without_settings_is_one_line(folder, text):
    (folder / "config.json").write_text(text)
    assert "config.json does not hold the settings of a model" in refusal_of(folder)


def test_a_model_with_code_of_its_own_is_refused_with_the_flag_that_allows_it(folder):
    config = json.loads((folder / "config.json").read_text())
    own = {"model_type": "own", "auto_map": {"AutoConfig": "own.Config"}}
    (folder / "config.json").write_text(json.dumps(config | own))
    (folder / "own.py").write_text("raise AssertionError('executed')")
    assert "contains custom code" in (text := refusal_of(folder)) and "--trust_remote_code true" in text


def test_architectures_of_another_type_are_no_trained_head(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"architectures": 3}))
    assert zoo.load(folder).model.num_labels == 2


def test_a_path_that_does_not_exist_is_no_name_on_the_hub(tmp_path):
    assert "there is no such folder. Pass a local folder" in refusal_of(tmp_path / "nope")


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
