"""Loading a tokenizer and a pretrained encoder with a classification head, safely and in fp32."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import torch
from datasets import Dataset
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from classification.data.labels import LabelSpace
from classification.data.truncation import Truncation
from classification.errors import UsageError, first_line, some
from classification.models.adapters import base_of_adapter
from classification.models.bilstm import BiLstmConfig, BiLstmForSequenceClassification
from classification.models.bilstm_tokenizer import all_texts, train_tokenizer
from classification.models.freezing import in_head, load_adapter
from classification.models.kernels.bf16_norms import keep_norms_in_half
from classification.models.kernels.cpu_attention import decide_attention
from classification.models.kernels.cpu_dropout import (
    cheapen_dropout,
    describe_dropout,
    dropout_of_attention,
    set_attention_dropout,
)
from classification.models.pooled_head import PooledConfig, PooledForSequenceClassification
from classification.models.precision import Precision, keep_freed_memory
from classification.models.regression_head import regression_head, scale_head
from classification.models.tokenization import (
    check_length,
    fit_padding,
    fit_segments,
    load_tokenizer,
    longest_input,
    set_side,
)

logger = logging.getLogger(__name__)

DEFAULT_LENGTH = 256


def load_config(name: str, *, config_name: str | None = None, from_scratch: bool = False, **hub):
    """The config of the model, or the one that `config_name` names, or a new one; the first touch of the name, so its
    errors are the friendly ones.

    Raises:
        UsageError: no such folder or model; names the flag and the remedy.
    """
    if from_scratch:
        return BiLstmConfig()
    flag, name = ("--config_name", config_name) if config_name else ("--model_name_or_path", name)
    folder = Path(name)
    if folder.is_dir() and not (folder / "config.json").is_file():
        raise UsageError(f"{flag} {name}: the folder has no config.json. Give a saved model's folder.")
    try:
        return AutoConfig.from_pretrained(name, **hub)
    except (OSError, ValueError, KeyError, json.JSONDecodeError) as error:
        raise UsageError(
            f"{flag} {name}: {first_line(error)} Give a local folder with config.json and "
            "model.safetensors, or a Hub name that is spelled right and reachable."
        ) from error


def load_classifier(
    name: str,
    config,
    labels: LabelSpace | None,
    *,
    tokenizer_name: str | None,
    use_fast: bool,
    max_length: int | None,
    truncation_strategy: str | None,
    window_stride: int | None,
    device: str,
    precision: Precision,
    compiled: bool,
    pooling: str | None,
    attention_dropout: float | None,
    ignore_mismatched_sizes: bool,
    train: Dataset | None = None,
    **hub,
) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    """The tokenizer, told to cut at `max_length`, and the model with the attention that suits the device.

    Args:
        max_length: None is 256 tokens or what the model reads, whichever is less; for a trained model (`labels` is
            None) the length that was saved with it.
        compiled: whether torch.compile will fuse dropout and norms, which are then cheap as they are.
        truncation_strategy, window_stride: as for `Truncation.choose`; the model's config carries what they decide.
        train: the rows that a model from scratch has its vocabulary from; None loads `name`.

    Raises:
        UsageError: as from `load_tokenizer` and `load_model`, or `max_length` is more than the model reads.
    """
    if device == "cpu":
        keep_freed_memory()
    if train is None:
        tokenizer = load_tokenizer(tokenizer_name or name, use_fast=use_fast, **hub)
    else:
        tokenizer = train_tokenizer(all_texts(train))
    own_dropout = dropout_of_attention(config)
    if attention_dropout is not None:
        set_attention_dropout(config, attention_dropout)
    training = labels is not None
    attention, reason = decide_attention(device, precision, config, training=training, compiled=compiled)
    if train is None:
        choices = {"pooling": pooling, "ignore_mismatched_sizes": ignore_mismatched_sizes}
        model = load_model(name, config, labels, attention=attention, **choices, **hub)
    else:
        model = new_model(config, labels, vocab_size=len(tokenizer))
    is_lstm = isinstance(config, BiLstmConfig)  # no attention, and no positions that could run out
    if not is_lstm:
        logger.info("attention    %s (%s)", model.base_model.config._attn_implementation, reason)
    if device == "cuda" and precision.name == "bf16" and not compiled and keep_norms_in_half(model):
        logger.info("norms        bf16 within the layers, with statistics in fp32: less memory to move")
    fit_padding(tokenizer, model)
    if training:
        cheap = cheapen_dropout(model) if device == "cpu" and not compiled else set()
        described = describe_dropout(cheap, dropout_of_attention(config), own_dropout)
        if described:
            logger.info("dropout      %s", described)
        fit_segments(tokenizer, model)
    limit = longest_input(model, tokenizer)
    if max_length is None:
        saved = DEFAULT_LENGTH if training else tokenizer.model_max_length
        max_length = min(saved, limit or DEFAULT_LENGTH)
    check_length(max_length, None if is_lstm else limit)
    tokenizer.model_max_length = max_length  # saved with the model: `truncation=True` cuts where training did
    truncation = Truncation.choose(truncation_strategy, window_stride, trained=None if training else config)
    set_side(tokenizer, "truncation_side", truncation.side)
    truncation.write_to(model.config)
    return tokenizer, model


def load_model(
    name: str,
    config,
    labels: LabelSpace | None,
    *,
    pooling: str | None = None,
    attention: str | None = None,
    ignore_mismatched_sizes: bool = False,
    **hub,
) -> PreTrainedModel:
    """The encoder with a classification head for `labels`; with None, a trained classifier as it is.

    `pooling` puts a head of ours in the place of the model's own. A folder with an adapter is its base model with the
    adapter added into the weights.

    Weights are read from safetensors only (no pickle is opened) and always as fp32: a checkpoint saved in fp16
    would otherwise train in fp16.

    Raises:
        UsageError: no weights, a head of another size, or an encoder whose weights are not in the file.
    """
    in_own_units = getattr(config, "label_own_units", False)
    mean, deviation = getattr(config, "label_mean", 0.0), getattr(config, "label_std", 1.0)
    if pooling and isinstance(config, BiLstmConfig):
        raise UsageError(f"--pooling {pooling}: this model pools the maximum and the mean already. Leave it out.")
    if labels is not None:
        labels.write_to(config)
    base = base_of_adapter(name)
    if base:
        model = _read(base, config, attention, True, new_head=True, **hub)  # the adapter has the head
        model = load_adapter(model, name, ignore_mismatched_sizes=ignore_mismatched_sizes)
    elif pooling and not has_own_pooling(config, pooling):
        return load_pooled(name, config, pooling, attention, **hub)
    else:
        model = _read(name, config, attention, ignore_mismatched_sizes, new_head=labels is not None, **hub)
    if in_own_units:
        model.config.label_own_units = False
        head = regression_head(model)
        if head is not None:  # it was not replaced by one for classes
            scale_head(head, 1 / deviation, -mean / deviation)
    return model


def new_model(config: BiLstmConfig, labels: LabelSpace, *, vocab_size: int) -> PreTrainedModel:
    """A model with random weights, for a vocabulary of so many pieces."""
    config.vocab_size = vocab_size
    labels.write_to(config)
    model = BiLstmForSequenceClassification(config)
    logger.info("model        %s: random weights, %d tensors; a vocabulary of %d pieces, from train",
                config.model_type, len(model.state_dict()), vocab_size)  # fmt: skip
    return model


def _read(
    name: str, config, attention: str | None, ignore_mismatched_sizes: bool, *, new_head: bool, auto=None, **hub
) -> PreTrainedModel:
    """`from_pretrained` of a classifier (or of `auto`), with errors that help."""
    try:
        model, report = (auto or AutoModelForSequenceClassification).from_pretrained(
            name,
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            attn_implementation=attention,
            ignore_mismatched_sizes=ignore_mismatched_sizes,
            output_loading_info=True,
            **hub,
        )
    except OSError as error:
        raise UsageError(
            f"--model_name_or_path {name}: no weights in safetensors format: {first_line(error)} Give a folder with "
            "model.safetensors; pickled .bin weights are not opened (load and save_pretrained them once to convert)."
        ) from error
    except RuntimeError as error:
        raise UsageError(
            f"--model_name_or_path {name}: the weights do not fit: {first_line(error)} If its head was trained for "
            "other labels, pass --ignore_mismatched_sizes to start with a new head."
        ) from error
    except ValueError as error:
        raise UsageError(f"--model_name_or_path {name}: {first_line(error)}") from error
    replaced = {key for key, *_ in report["mismatched_keys"]}
    _check_loaded(name, model, set(report["missing_keys"]) | replaced, new_head=new_head)
    return model


def has_own_pooling(config, pooling: str) -> bool:
    """Let the model's own class pool where its config has a word for it (ModernBERT, or a head of ours)."""
    if isinstance(config, PooledConfig):
        config.pooling = pooling
        return True
    if hasattr(config, "classifier_pooling") and pooling in ("cls", "mean"):
        config.classifier_pooling = pooling
        return True
    return False


def load_pooled(name: str, config, pooling: str, attention: str | None, **hub) -> PreTrainedModel:
    """The pretrained encoder under a new head of ours.

    Raises:
        UsageError: an encoder that gives no hidden state for each token, or `cls` where the first token sees no other.
    """
    encoder = _read(name, config, attention, False, new_head=True, auto=AutoModel, **hub)
    try:
        states = encoder(torch.tensor([[1, 1, 1], [1, 1, 2]])).last_hidden_state  # they differ in the last token
        fits = states.shape[:2] == (2, 3) and not config.is_encoder_decoder
    except (AttributeError, ValueError, RuntimeError, TypeError):
        fits = False
    if not fits:
        raise UsageError(
            f"--pooling {pooling}: {type(encoder).__name__} gives no hidden state for each token of a text. Leave it "
            "out to train the model's own head."
        )
    if pooling == "cls" and torch.equal(*states[:, 0]):
        raise UsageError(
            f"--pooling cls: in {type(encoder).__name__} a token sees those before it only, so the first one says "
            "nothing of a text. Use mean or max, or leave it out for the model's own head."
        )
    carried = ("id2label", "label2id", "problem_type", "label_mean", "label_std", "thresholds")
    model = PooledForSequenceClassification(
        PooledConfig(
            config,
            pooling,
            classifier_dropout=getattr(config, "hidden_dropout_prob", 0.1),
            attn_implementation=attention,
            **{key: getattr(config, key) for key in carried if hasattr(config, key)},
        )
    )
    model.encoder.load_state_dict(encoder.state_dict(), strict=False)  # but for the pooler, which it has not
    return model


def _check_loaded(name: str, model: PreTrainedModel, missing: set[str], new_head: bool) -> None:
    """Only the head may be new. An encoder without its weights would train from noise, or predict noise."""
    encoder = [key for key in missing if not in_head(key, model)]
    total = len(model.state_dict())
    if model.base_model is model:  # under a head of ours, which comes without weights and has no pooler
        total += 2 - sum(in_head(key, model) for key in model.state_dict())
        missing = set(encoder) | {"classifier.weight", "classifier.bias"}
    if encoder:
        raise UsageError(
            f"--model_name_or_path {name}: {len(encoder)} of {total} tensors, all of the encoder, are not in the "
            f"weights file or have another size there (for example {some(sorted(encoder), 2)}): the weights belong to "
            "another model than its config.json says."
        )
    if missing and not new_head:
        raise UsageError(
            f"--model_name_or_path {name}: has no trained classification head ({some(sorted(missing), 2)} missing). "
            "Train one with --do_train, or give the output folder of a training run."
        )
    new = f"; new: {some(sorted(missing))}" if missing else ""
    logger.info("model        %s: %d of %d tensors loaded%s", name, total - len(missing), total, new)
