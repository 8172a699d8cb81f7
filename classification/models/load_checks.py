"""What can be wrong with a model that is loaded: no weights, weights of another model, no states to pool."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from pickle import UnpicklingError

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import PreTrainedConfig, PreTrainedModel

from classification.errors import UsageError, first_line, join_first
from classification.messages.log import Line
from classification.models.google_checkpoints import conversion_hint
from classification.models.parts import in_head

LOAD_ERRORS = (OSError, RuntimeError, ValueError, SafetensorError, UnpicklingError)
# What a library raises for a setting in config.json of another type or without a meaning.
CONFIG_ERRORS = (ArithmeticError, AssertionError, AttributeError, LookupError, StrictDataclassError, TypeError)
POOLED_HEAD = {"classifier.weight", "classifier.bias"}


def explain_no_config(flag: str, name: str) -> UsageError:
    """The error of a folder without config.json."""
    problem = conversion_hint(name) or "the folder has no config.json. Pass the folder of a saved model."
    return UsageError(f"{flag} {name}: {problem}")


def explain_config_error(flag: str, name: str, error: Exception) -> UsageError:
    """The error of reading a config in the words of the command line, with the remedy."""
    if hint := conversion_hint(name):
        return UsageError(f"{flag} {name}: {hint}")
    remedy = (
        "Pass a local folder with config.json and model.safetensors, or the name of a model on the Hub: check its "
        "spelling and the connection."
    )
    with contextlib.suppress(OSError, ValueError):
        fields = json.loads(Path(name, "config.json").read_text(encoding="utf-8"))
        remedy = "Correct its config.json, or pass the folder of another model."
        if "trust_remote_code" in str(error):
            remedy = "If you have read that code and trust it, pass --trust_remote_code true."
        if not isinstance(fields, dict):
            return UsageError(f"{flag} {name}: its config.json does not hold the settings of a model. {remedy}")
        names = fields.get("id2label")
        if names is not None and not (isinstance(names, dict) and all(str(key).isdecimal() for key in names)):
            return UsageError(
                f"{flag} {name}: id2label in its config.json is {names}. It must map ids to names, as "
                '{"0": "negative", "1": "positive"}. Correct it there.'
            )
    is_path = name.startswith(("/", ".", "~")) and not Path(name).exists()
    reason = "there is no such folder." if is_path else describe_config_error(error)
    return UsageError(f"{flag} {name}: {reason} {remedy}")


def describe_config_error(error: Exception) -> str:
    """What is wrong with a setting of config.json, in one line that ends like a sentence."""
    if isinstance(error, StrictDataclassError):  # its first line has only the name of the setting
        detail = error.__cause__ or next(reversed(str(error).splitlines()), "")
        return first_line(ValueError(str(detail).strip().removeprefix("TypeError: ")))
    is_bare = isinstance(error, LookupError) or not str(error)
    return first_line(ValueError(f"{type(error).__name__} {error}".strip()) if is_bare else error)


def explain_load_error(name: str, error: Exception, *, new_head: bool) -> UsageError:
    """The error of `from_pretrained` in the words of the command line, with the remedy.

    Args:
        new_head: whether the head may be new.
    """
    flag = f"--model_name_or_path {name}"
    if isinstance(error, SafetensorError | UnpicklingError):
        reason = "damaged or not in safetensors format"
        return UsageError(f"{flag}: the weights are {reason}. Download them again, or save them with save_pretrained.")
    if isinstance(error, OSError):
        if hint := conversion_hint(name):
            return UsageError(f"{flag}: {hint}")
        return UsageError(
            f"{flag}: no weights in safetensors format: {first_line(error)} Pass a folder with model.safetensors. "
            "Pickled .bin weights are never opened: load them and call save_pretrained once to convert them."
        )
    if isinstance(error, RuntimeError):
        remedy = (
            "If its head was trained for other labels, pass --ignore_mismatched_sizes to start with a new head."
            if new_head
            else "If the head has another number of classes than id2label in its config.json, correct id2label there."
        )
        reason = first_line(error)
        if "ignore_mismatched_sizes" in reason:  # the library's words are about its own argument
            reason = "tensors in the file have other sizes than in the model."
        return UsageError(f"{flag}: the weights do not fit: {reason} {remedy}")
    if isinstance(error, CONFIG_ERRORS):
        return UsageError(
            f"{flag}: no model can be made from its config.json: {describe_config_error(error)} Correct it there, or "
            "pass the folder of another model."
        )
    return UsageError(f"{flag}: {first_line(error)}")


def check_weights(name: str, model: PreTrainedModel, missing: set[str], *, new_head: bool) -> Line:
    """Check that only the head is new: an encoder without its weights would start from random numbers.

    Args:
        missing: tensors that are not in the weights file or have another size there.
        new_head: whether the head may be new.

    Raises:
        UsageError: tensors of the encoder are missing, or those of the head where it may not be new.
    """
    encoder = [key for key in missing if not in_head(key, model)]
    total = len(model.state_dict())
    if model.base_model is model:  # a bare encoder, whose pooler is replaced by a pooled head
        total += len(POOLED_HEAD) - sum(in_head(key, model) for key in model.state_dict())
        missing = set(encoder) | POOLED_HEAD
    if encoder:
        raise UsageError(
            f"--model_name_or_path {name}: {len(encoder)} of {total} tensors, all of the encoder, are not in the "
            f"weights file or have another size there (for example {join_first(sorted(encoder), 2)}): the weights "
            "belong to another model than the one in its config.json."
        )
    if missing and not new_head:
        raise headless(name, missing)
    new = f"; new: {join_first(sorted(missing))}" if missing else ""
    return Line("model", f"{name}: {total - len(missing)} of {total} tensors loaded{new}")


def headless(name: str, missing: set[str]) -> UsageError:
    """The error for a model without a trained head, where one is needed."""
    return UsageError(
        f"--model_name_or_path {name}: has no trained classification head ({join_first(sorted(missing), 2)} missing). "
        "Train one with --do_train, or pass the output folder of a training run."
    )


def check_width(config: PreTrainedConfig, pooling: str) -> None:
    """Check that the config names one size for the states of all tokens, before anything is made or read."""
    if getattr(config, "hidden_size", None) is None:
        raise UsageError(
            f"--pooling {pooling}: a {config.model_type} model has no hidden state per token of a text. Leave the flag "
            "out to train the model's own head."
        )


def check_states(encoder: PreTrainedModel, config: PreTrainedConfig, pooling: str) -> None:
    """Check that a pooled head can read the encoder's states.

    Raises:
        UsageError: no hidden state per token, or `cls` where the first token sees no other.
    """
    try:
        states = encoder(torch.tensor([[1, 1, 1], [1, 1, 2]])).last_hidden_state  # differ in the last token only
        fits = states.shape[:2] == (2, 3) and not config.is_encoder_decoder
    except (AttributeError, ValueError, RuntimeError, TypeError):
        fits = False
    if not fits:
        raise UsageError(
            f"--pooling {pooling}: {type(encoder).__name__} has no hidden state per token of a text. Leave the flag "
            "out to train the model's own head."
        )
    if pooling == "cls" and torch.equal(*states[:, 0]):
        raise UsageError(
            f"--pooling cls: in {type(encoder).__name__} a token sees only the tokens before it, so the first one "
            "cannot represent the text. Use mean or max, or leave the flag out for the model's own head."
        )
