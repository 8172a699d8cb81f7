"""`--pooling` in the model's own class where it has one: the saved model loads without code of ours."""

from __future__ import annotations

import pytest
import torch
import zoo
from helpers import assert_refused
from transformers import CONFIG_MAPPING, AutoConfig, AutoModelForSequenceClassification
from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES

from classification.models.bilstm import BiLstmConfig
from classification.models.encoder_pooling import pooling_of_head
from classification.models.pooled_head import PooledConfig, PooledForSequenceClassification
from classification.models.pooling import OWN_POOLING, pools_itself, set_own_pooling

TEXTS = ["good film", "the film was bad and the plot was bad too"]
TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, "vocab_size": 90}
ROPE = {"full_attention": {"rope_type": "default", "rope_theta": 10000.0}}
SETTINGS = {"cohere_compass_text": {"rope_parameters": ROPE}}
SPECIAL = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2}


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_modernbert_pools_by_its_own_field_and_loads_without_our_code(pooling, tmp_path):
    other = {"cls": "mean", "mean": "cls"}[pooling]
    loaded = zoo.load(zoo.saved("modernbert", classifier_pooling=other), pooling=pooling)
    loaded.model.save_pretrained(tmp_path)
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    assert type(plain).__name__ == "ModernBertForSequenceClassification" and not list(tmp_path.glob("*.py"))
    assert plain.config.classifier_pooling == pooling and "auto_map" not in plain.config.to_dict()
    batch = zoo.encode(loaded.tokenizer, TEXTS)
    with torch.no_grad():
        logits = plain(**batch).logits
        states = plain.model(**batch).last_hidden_state
        mask = batch["attention_mask"].unsqueeze(-1)
        pooled = states[:, 0] if pooling == "cls" else (states * mask).sum(1) / mask.sum(1)
        expected = plain.classifier(plain.head(pooled))
    assert torch.allclose(logits, zoo.scores(loaded, TEXTS), atol=1e-6)
    assert torch.allclose(logits, expected, atol=1e-6)


def test_the_maximum_of_modernbert_needs_the_pooled_head():
    assert isinstance(zoo.load(zoo.saved("modernbert"), pooling="max").model, PooledForSequenceClassification)


@pytest.mark.parametrize(
    ("model_type", "pooling"),
    [(kind, pooling) for kind in ("ultrabert", "eurobert", "cohere_compass_text") for pooling in OWN_POOLING[kind][1]],
)
def test_the_own_class_reads_what_the_flag_names(model_type, pooling, tmp_path):
    """EuroBERT's name for the first token is bos: with cls it has no output at all."""
    if model_type not in CONFIG_MAPPING:
        pytest.skip("this version of the library does not have it")
    config = AutoConfig.for_model(model_type, **TINY | SPECIAL | SETTINGS.get(model_type, {}), initializer_range=0.2)
    assert set_own_pooling(config, pooling)
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(config)
    assert pooling_of_head(model) == pooling
    model.save_pretrained(tmp_path)
    ids = torch.randint(3, 90, (2, 6))
    with torch.no_grad():
        plain = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()(input_ids=ids).logits
        assert torch.allclose(plain, model.eval()(input_ids=ids).logits, atol=1e-6)


def test_every_classifier_of_the_library_that_can_choose_its_pooling_is_known():
    choosing = {
        kind
        for kind in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES
        if {"classifier_pooling", "pooling"} & set(dir(CONFIG_MAPPING[kind]))
    }
    assert "modernbert" in choosing <= OWN_POOLING.keys() - {PooledConfig.model_type}


def test_a_class_that_cannot_choose_leaves_its_config_as_it_is():
    config = AutoConfig.for_model("bert")
    before = config.to_dict()
    assert not set_own_pooling(config, "mean") and not pools_itself(config, "mean") and config.to_dict() == before


def test_the_lstm_refuses_another_pooling():
    assert_refused(["--pooling mean", "Leave the flag out"], set_own_pooling, BiLstmConfig(), "mean")
