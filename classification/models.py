"""Loading a tokenizer and a pretrained encoder with a classification head, safely and in fp32."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from classification.device import Precision, decide_attention
from classification.errors import UsageError, first_line, some
from classification.labels import LabelSpace
from classification.truncation import Truncation

logger = logging.getLogger(__name__)

UNBOUNDED = 1_000_000  # tokenizers without a limit say 1e30
DEFAULT_LENGTH = 256
LARGEST_SHIFT = 1000  # deviations; fp32 has 7 digits, and 4 of them should be left


def load_config(name: str, *, config_name: str | None = None, **hub):
    """The config of the model, or the one that `config_name` names; the first touch of the name, so its errors are
    the friendly ones.

    Raises:
        UsageError: no such folder or model; names the flag and the remedy.
    """
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
    truncation: Truncation | None,
    device: str,
    precision: Precision,
    ignore_mismatched_sizes: bool,
    **hub,
) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    """The tokenizer, told to cut at `max_length`, and the model with the attention that suits the device.

    Args:
        max_length: None is 256 tokens or what the model reads, whichever is less; for a trained model (`labels` is
            None) the length that was saved with it.
        truncation: None is head; for a trained model the way that was saved with it. The model's config carries it.

    Raises:
        UsageError: as from `load_tokenizer` and `load_model`, or `max_length` is more than the model reads.
    """
    tokenizer = load_tokenizer(tokenizer_name or name, use_fast=use_fast, **hub)
    attention, reason = decide_attention(device, precision, config, training=labels is not None)
    model = load_model(
        name, config, labels, attention=attention, ignore_mismatched_sizes=ignore_mismatched_sizes, **hub
    )
    logger.info("attention    %s (%s)", model.config._attn_implementation, reason)
    limit = longest_input(model, tokenizer)
    if max_length is None:
        saved = tokenizer.model_max_length if labels is None else DEFAULT_LENGTH
        max_length = min(saved, limit or DEFAULT_LENGTH)
    check_length(max_length, limit)
    tokenizer.model_max_length = max_length  # saved with the model: `truncation=True` cuts where training did
    if truncation is None:
        truncation = Truncation() if labels is not None else Truncation.from_config(config)
    truncation.check_stride(max_length, tokenizer.num_special_tokens_to_add())
    tokenizer.truncation_side = truncation.side
    truncation.write_to(model.config)
    return tokenizer, model


def load_tokenizer(name: str, *, use_fast: bool = True, **hub) -> PreTrainedTokenizerBase:
    try:
        return AutoTokenizer.from_pretrained(name, use_fast=use_fast, **hub)
    except (OSError, ValueError, KeyError, json.JSONDecodeError) as error:
        raise UsageError(
            f"tokenizer {name}: does not load: {first_line(error)} Name another model with --model_name_or_path, or "
            "another tokenizer with --tokenizer_name."
        ) from error


def load_model(
    name: str,
    config,
    labels: LabelSpace | None,
    *,
    attention: str | None = None,
    ignore_mismatched_sizes: bool = False,
    **hub,
) -> PreTrainedModel:
    """The encoder with a classification head for `labels`; with None, a trained classifier as it is.

    Weights are read from safetensors only (no pickle is opened) and always as fp32: a checkpoint saved in fp16
    would otherwise train in fp16.

    Raises:
        UsageError: no weights, a head of another size, or an encoder whose weights are not in the file.
    """
    in_own_units = getattr(config, "label_own_units", False)
    mean, deviation = getattr(config, "label_mean", 0.0), getattr(config, "label_std", 1.0)
    if labels is not None:
        labels.write_to(config)
    try:
        model, report = AutoModelForSequenceClassification.from_pretrained(
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
    if in_own_units:
        model.config.label_own_units = False
        head = regression_head(model)
        if head is not None:  # it was not replaced by one for classes
            _scale_head(head, 1 / deviation, -mean / deviation)
    replaced = {key for key, *_ in report["mismatched_keys"]}
    _check_loaded(name, model, set(report["missing_keys"]) | replaced, new_head=labels is not None)
    return model


def regression_head(model: PreTrainedModel) -> nn.Linear | None:
    """The last layer, where it gives one number and has a bias that can hold a mean."""
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    return linear[-1] if linear[-1].out_features == 1 and linear[-1].bias is not None else None


@contextmanager
def own_units(model: PreTrainedModel, labels: LabelSpace) -> Iterator[None]:
    """Inside, a regressor's output is in the labels' own units: a model that is saved here gives them everywhere.

    In training they stay standardised, also because half precision has no digits for large ones. `load_model` undoes
    it. Nothing changes without a bias in the head (as in most decoders), or where the mean is so large that fp32 would
    round the differences away (dates in seconds): the config's `label_mean` and `label_std` say what the output means.
    """
    head = regression_head(model) if labels.is_regression else None
    if head is None or abs(labels.mean) > LARGEST_SHIFT * labels.std:
        yield
        return
    before = head.weight.detach().clone(), head.bias.detach().clone()
    _scale_head(head, labels.std, labels.mean)
    model.config.label_own_units = True
    try:
        yield
    finally:
        model.config.label_own_units = False
        with torch.no_grad():
            head.weight.copy_(before[0])
            head.bias.copy_(before[1])


@torch.no_grad()
def _scale_head(head: nn.Linear, factor: float, shift: float) -> None:
    """Make the head's output y into factor * y + shift."""
    head.weight.mul_(factor)
    head.bias.mul_(factor).add_(shift)


def _check_loaded(name: str, model: PreTrainedModel, missing: set[str], new_head: bool) -> None:
    """Only the head may be new. An encoder without its weights would train from noise, or predict noise."""
    encoder = [key for key in missing if key.startswith(model.base_model_prefix + ".") and ".pooler." not in key]
    total = len(model.state_dict())
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


def longest_input(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int | None:
    """How many tokens the model can read, None where nothing limits it.

    The table of positions decides; only a model without one is limited by its tokenizer, whose length may just be the
    one that an earlier training cut at. RoBERTa-like tables start at `padding_idx + 1`: 514 positions are 512 tokens.
    """
    positions = getattr(model.config, "max_position_embeddings", None)
    if positions and positions > 0:
        tables = (module for name, module in model.named_modules() if name.endswith("position_embeddings"))
        offsets = [table.padding_idx + 1 for table in tables if getattr(table, "padding_idx", None) is not None]
        return positions - max(offsets, default=0)
    return tokenizer.model_max_length if tokenizer.model_max_length < UNBOUNDED else None


def check_length(max_seq_length: int, limit: int | None) -> None:
    if limit is not None and max_seq_length > limit:
        raise UsageError(
            f"--max_seq_length {max_seq_length}: this model reads at most {limit} tokens. "
            f"Pass --max_seq_length {limit} or choose a longer model."
        )
