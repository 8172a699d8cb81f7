"""bert_config.json is checked setting by setting, and means the same in transformers."""

from __future__ import annotations

import json

import pytest
from made_releases import CONFIG

from classification.conversion.bert_settings import read_settings
from classification.errors import UsageError

MULTILINGUAL = {
    "directionality": "bidi", "pooler_fc_size": 768, "pooler_num_attention_heads": 12, "pooler_num_fc_layers": 3,
    "pooler_size_per_head": 128, "pooler_type": "first_token_transform",
}  # fmt: skip


def read(tmp_path, content):
    path = tmp_path / "bert_config.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return read_settings(path, "ZIP_OR_DIR it")


def test_a_config_means_the_same_in_transformers(tmp_path):
    settings = read(tmp_path, CONFIG | MULTILINGUAL)
    config = settings.bert_config(0)
    assert {name: getattr(config, name) for name in CONFIG} == CONFIG
    assert config.layer_norm_eps == 1e-12 and config.pad_token_id == 0
    assert settings.lower_case is None and settings.unread == ()


def test_settings_without_a_meaning_are_named(tmp_path):
    assert read(tmp_path, CONFIG | {"embedding_size": 128, "do_lower_case": False}).unread == ("embedding_size",)


@pytest.mark.parametrize("value", [True, False])
def test_the_config_may_name_the_casing(tmp_path, value):
    assert read(tmp_path, CONFIG | {"do_lower_case": value}).lower_case is value


@pytest.mark.parametrize("name", ["vocab_size", "num_attention_heads", "type_vocab_size"])
def test_a_size_that_is_missing_is_named(tmp_path, name):
    content = {key: value for key, value in CONFIG.items() if key != name}
    with pytest.raises(UsageError, match=f"bert_config.json lacks {name}. Add the values of the checkpoint."):
        read(tmp_path, content)
    read(tmp_path, content | {name: CONFIG[name]})


@pytest.mark.parametrize(
    ("setting", "meant"),
    [
        ({"hidden_size": 0}, "a whole number from 1"),
        ({"hidden_size": "768"}, "a whole number from 1"),
        ({"hidden_size": True}, "a whole number from 1"),
        ({"hidden_size": 1e30}, "a whole number from 1"),
        ({"hidden_size": 13}, "a multiple of num_attention_heads, 3"),
        ({"num_hidden_layers": 10**6}, "a whole number from 1 to 1,000"),
        ({"vocab_size": None}, "a whole number from 1"),
        ({"hidden_act": "swish"}, "one of gelu, relu, tanh, linear"),
        ({"hidden_act": ["gelu"]}, "one of gelu"),
        ({"hidden_dropout_prob": 1.0}, "a number from 0 to 1"),
        ({"hidden_dropout_prob": "x"}, "a number from 0 to 1"),
        ({"do_lower_case": "yes"}, "true or false"),
        ({"pooler_type": "token_transform"}, "as in every BERT"),
        ({"model_type": "albert"}, "as in every BERT"),
    ],
)
def test_a_value_without_a_meaning_is_one_line(tmp_path, setting, meant):
    with pytest.raises(UsageError) as refused:
        read(tmp_path, CONFIG | setting)
    text = str(refused.value)
    assert next(iter(setting)) in text and meant in text and "\n" not in text and "Correct it there." in text


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_a_file_that_is_no_json_is_one_line(tmp_path, content):
    with pytest.raises(UsageError, match="is no JSON. Take the file of the published checkpoint."):
        read(tmp_path, content)


@pytest.mark.parametrize("content", [[], 3, "bert", None])
def test_json_without_settings_is_one_line(tmp_path, content):
    with pytest.raises(UsageError, match="holds no settings"):
        read(tmp_path, content)


def test_a_byte_order_mark_is_fine(tmp_path):
    assert read(tmp_path, b"\xef\xbb\xbf" + json.dumps(CONFIG).encode()).hidden == 12
