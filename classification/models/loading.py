"""Loading a tokenizer and a pretrained encoder with a classification head, safely and in fp32."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from classification.data.hub_access import work_offline_if_hub_is_unreachable
from classification.data.labels import LabelSpace
from classification.data.truncation import Truncation
from classification.messages.log import Line
from classification.models.adapters import choose_base, load_adapter
from classification.models.bilstm import BiLstmConfig
from classification.models.choice import ModelChoice
from classification.models.encoder_pooling import pooling_lines
from classification.models.fast_kernels import choose_kernels
from classification.models.freezing import choose_trainable
from classification.models.from_scratch import make_tokenizer, new_model
from classification.models.head_prior import HeadPrior
from classification.models.load_checks import CONFIG_ERRORS, explain_config_error, explain_no_config
from classification.models.pooling import load_pooled, set_own_pooling
from classification.models.precision import Precision
from classification.models.tokenization import check_room, fit_tokenizer
from classification.models.trained_head import HeadPlan
from classification.models.weights import read_weights

if TYPE_CHECKING:  # a model that answers needs neither
    from datasets import Dataset
    from peft import PeftModel


@dataclass(frozen=True)
class Loaded:
    """A tokenizer and a model that agree, and the lines that describe the choices."""

    tokenizer: PreTrainedTokenizerBase
    model: PreTrainedModel | PeftModel
    lines: list[Line]


def load_config(choice: ModelChoice) -> PreTrainedConfig:
    """The config of the model, or the one that `choice.config_name` names, or a new one for a model from scratch.

    Raises:
        UsageError: no such folder or model; names the flag and the remedy.
    """
    if choice.from_scratch:
        return BiLstmConfig()
    flag, name = "--model_name_or_path", choice.name
    if choice.config_name:
        flag, name = "--config_name", choice.config_name
    folder = Path(name)
    if folder.is_dir() and not (folder / "config.json").is_file():
        raise explain_no_config(flag, name)
    if choice.needs_hub:
        work_offline_if_hub_is_unreachable()
    try:
        return AutoConfig.from_pretrained(name, **choice.hub.arguments())
    except (OSError, ValueError, *CONFIG_ERRORS) as error:
        raise explain_config_error(flag, name, error) from error


def load_classifier(
    choice: ModelChoice,
    config: PreTrainedConfig,
    task: LabelSpace,
    *,
    training: bool, device: str, precision: Precision, compiled: bool, attention: str | None = None,
    pairs: bool = False, train: Dataset | None = None, prior: HeadPrior | None = None,
) -> Loaded:  # fmt: skip
    """Load tokenizer and model, choose kernels and trainable parameters, and make tokenizer and model agree.

    Args:
        task: gives the config its names and the model its head if `training`; a trained classifier keeps its own.
        compiled: whether torch.compile will fuse attention, dropout and norms.
        attention: the implementation of the run that is continued; None to choose one.
        pairs: whether the rows have two texts.
        train: the rows that give a model from scratch its vocabulary.
        prior: the bias of a new head; None for 0.

    Raises:
        UsageError: the model does not load, or does not fit its tokenizer or the flags.
    """
    tokenizer = make_tokenizer(choice, config, train)
    kernels = choose_kernels(
        config, choice.attention_dropout, training=training, device=device, precision=precision, compiled=compiled,
        stored=attention,
    )  # fmt: skip
    model, lines = load_model(choice, config, task if training else None, attention=kernels.attention, prior=prior)
    lines += kernels.install(model)
    truncation = Truncation.choose(
        choice.truncation_strategy, choice.window_stride, trained=None if training else config
    )
    lines += fit_tokenizer(tokenizer, model, choice.max_length, truncation, training=training)
    lines += check_room(tokenizer, truncation, pairs=pairs)
    return Loaded(tokenizer, choose_trainable(model, choice) if training else model, lines)


def load_model(
    choice: ModelChoice, config: PreTrainedConfig, task: LabelSpace | None, *,
    attention: str | None = None, prior: HeadPrior | None = None,
) -> tuple[PreTrainedModel, list[Line]]:  # fmt: skip
    """The encoder with a classification head for `task`; with None, a trained classifier as it is.

    A folder with an adapter gives its base model with the adapter merged. Weights are read from safetensors only
    (never from a pickle) and always as fp32: a checkpoint that was saved in fp16 would otherwise train in fp16.

    Raises:
        UsageError: no weights, a head of another size, or an encoder whose weights are not in the file.
    """
    head = HeadPlan.decide(task, config)  # before the task replaces what the config says
    if task is not None:
        task.write_to(config)
    any_head = choice.ignore_mismatched_sizes
    base = choose_base(choice)
    if choice.from_scratch and isinstance(config, BiLstmConfig):
        model, new, line = new_model(config)
    elif base:  # the adapter's file has the head
        model, new, line = read_weights(base.name, base, config, attention, any_head=True, new_head=True)
        model, new = load_adapter(model, new, choice.name, ignore_mismatched_sizes=any_head)
    elif choice.pooling and task is not None and not set_own_pooling(config, choice.pooling):
        model, new, line = load_pooled(choice, config, task, attention)
    else:
        model, new, line = read_weights(choice.name, choice, config, attention, any_head=any_head, new_head=bool(task))
    return model, [line, *head.finish(model, choice.name, new, prior), *pooling_lines(choice, base, config, model, new)]
