"""Loading is safe and exact, and the lines describe what was loaded."""

from __future__ import annotations

import pytest
import torch
import transformers
import zoo
from helpers import make_bert, make_tokenizer

from classification.data.label_hints import LabelHints
from classification.data.regression import Regression
from classification.data.tasks import task_from_config
from classification.errors import UsageError
from classification.models.kernels import cpu_attention
from classification.models.kernels.cpu_attention import PIECES
from classification.models.kernels.cpu_dropout import FastDropout


@pytest.fixture
def tokenizer_in(tmp_path):
    """Saves the tokenizer of the tiny BERT in a folder beside a model."""
    make_tokenizer().save_pretrained(tmp_path)
    return tmp_path


def test_a_checkpoint_saved_in_fp16_is_loaded_in_fp32(tokenizer_in):
    make_bert().bert.half().save_pretrained(tokenizer_in)
    assert {parameter.dtype for parameter in zoo.load(tokenizer_in).model.parameters()} == {torch.float32}


def test_names_and_problem_type_are_in_the_config(tiny_model):
    config = zoo.load(tiny_model).model.config
    assert config.id2label == {0: "negative", 1: "positive"} and config.problem_type == "single_label_classification"


def test_a_pickle_is_never_opened(tokenizer_in):
    class Trap:
        def __reduce__(self):
            return (open, (str(tokenizer_in / "executed"), "w"))

    make_bert().config.save_pretrained(tokenizer_in)
    torch.save({"x": Trap()}, tokenizer_in / "pytorch_model.bin")
    with pytest.raises(UsageError, match="no weights in safetensors format.*Pickled"):
        zoo.load(tokenizer_in)
    assert not (tokenizer_in / "executed").exists()


def test_a_head_for_other_labels_is_replaced_only_with_the_flag(tokenizer_in):
    make_bert(num_labels=3).save_pretrained(tokenizer_in)
    with pytest.raises(UsageError, match="--ignore_mismatched_sizes"):
        zoo.load(tokenizer_in)
    assert zoo.load(tokenizer_in, ignore_mismatched_sizes=True).model.classifier.out_features == 2


@pytest.mark.parametrize("architecture", zoo.ARCHITECTURES)
def test_the_longest_text_fits_and_one_token_more_is_refused(architecture):
    """514 positions are 512 tokens in RoBERTa-like models."""
    loaded = zoo.load(zoo.saved(architecture), max_length=64)
    batch = zoo.encode(loaded.tokenizer, ["the film was good and " * 30, "bad"])
    assert batch["input_ids"].shape[1] == 64
    loaded.model.train()(**batch, labels=torch.tensor([1, 0])).loss.backward()
    assert all(weight.grad.isfinite().all() for weight in loaded.model.parameters() if weight.grad is not None)
    with pytest.raises(UsageError, match="--max_seq_length 65: this model reads at most 64"):
        zoo.load(zoo.saved(architecture), max_length=65)


def test_the_length_is_decided_once_and_saved_with_the_model(tiny_model, tmp_path):
    """Without --max_seq_length: 256 or the model's 64 positions; for a trained model its own, which is no limit."""
    assert zoo.load(tiny_model).tokenizer.model_max_length == 64
    short = zoo.load(tiny_model, max_length=8)
    short.model.save_pretrained(tmp_path)
    short.tokenizer.save_pretrained(tmp_path)
    assert zoo.load(tmp_path, training=False).tokenizer.model_max_length == 8
    assert zoo.load(tmp_path, max_length=64).tokenizer.model_max_length == 64


def test_the_line_on_attention_has_the_reason(monkeypatch):
    monkeypatch.setattr(cpu_attention, "speed_of_pieces", lambda dtype: 1.0)
    folder = zoo.saved("bert", attention_probs_dropout_prob=0.1)
    lines = zoo.lines_of(zoo.load(folder))
    assert lines["attention"].startswith(f"{PIECES} (computed in pieces, because fused attention with dropout")
    for flags in ({"attention_dropout": 0.0}, {"compiled": True}):
        assert zoo.lines_of(zoo.load(folder, **flags))["attention"].startswith("sdpa (the library's choice")


def test_without_training_dropout_decides_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(cpu_attention, "speed_of_pieces", lambda dtype: 1.0)
    trained = zoo.load(zoo.saved("bert", attention_probs_dropout_prob=0.1))
    trained.model.save_pretrained(tmp_path)
    trained.tokenizer.save_pretrained(tmp_path)
    lines = zoo.lines_of(zoo.load(tmp_path, training=False))
    assert lines["attention"].startswith("sdpa") and "dropout" not in lines


def test_the_line_on_dropout_names_what_differs(tokenizer_in, tiny_model):
    make_bert(hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.2).bert.save_pretrained(tokenizer_in)
    line = zoo.lines_of(zoo.load(tokenizer_in))["dropout"]
    assert line.startswith("0.1 and 0.2 in its layers, with random bits from SFC64")
    line = zoo.lines_of(zoo.load(tokenizer_in, attention_dropout=0.0))["dropout"]
    assert line.startswith("0 of the attention weights instead of the model's own 0.2; 0.1 in its layers")
    assert "dropout" not in zoo.lines_of(zoo.load(tiny_model))  # the model has no dropout
    assert "dropout" not in zoo.lines_of(zoo.load(tokenizer_in, compiled=True))


@pytest.mark.parametrize("architecture", ["bert", "distilbert", "gpt2", "llama", "modernbert", "deberta-v2"])
def test_attention_dropout_is_set_under_every_name_for_it(architecture, tmp_path):
    loaded = zoo.load(zoo.saved(architecture), attention_dropout=0.25)
    assert "0.25 of the attention weights instead of the model's own" in zoo.lines_of(loaded)["dropout"]
    loaded.model.save_pretrained(tmp_path)
    config = transformers.AutoConfig.from_pretrained(tmp_path)
    names = ("attention_probs_dropout_prob", "attention_dropout", "attn_pdrop")
    assert 0.25 in [getattr(config, name, None) for name in names]
    dropouts = [layer for layer in loaded.model.modules() if isinstance(layer, torch.nn.Dropout) and layer.p]
    assert all(type(layer) is FastDropout for layer in dropouts)


def test_attention_dropout_without_such_a_dropout_is_refused(tmp_path):
    transformers.FNetModel(transformers.FNetConfig(vocab_size=64, hidden_size=16, num_hidden_layers=1,
                                                   intermediate_size=16)).save_pretrained(tmp_path)  # fmt: skip
    make_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(UsageError, match="--attention_dropout 0.1: this model has no attention dropout"):
        zoo.load(tmp_path, attention_dropout=0.1)
    zoo.load(tmp_path, attention_dropout=0.0)


@pytest.mark.parametrize(("device", "precision", "compiled", "count"), [
    ("cuda", "bf16", False, 4), ("cuda", "bf16", True, 0), ("cuda", "fp16", False, 0), ("cpu", "bf16", False, 0),
])  # fmt: skip
def test_norms_are_in_bf16_on_a_gpu_alone(device, precision, compiled, count):
    loaded = zoo.load(zoo.saved("bert"), device=device, precision=precision, compiled=compiled)
    norms = [module for module in loaded.model.modules() if type(module).__name__ == "HalfLayerNorm"]
    assert len(norms) == count and ("norms" in zoo.lines_of(loaded)) == (count > 0)


def test_the_task_of_a_trained_model_is_read_from_its_config():
    config = make_bert().config
    assert task_from_config(config).num_labels == 2
    with pytest.raises(UsageError, match="--do_regression"):
        task_from_config(config, LabelHints(do_regression=True))
    assert isinstance(task_from_config(make_bert(num_labels=1).config), Regression)
    config.problem_type = "multi_label_classification"
    assert task_from_config(config).thresholds == (0.5, 0.5)
