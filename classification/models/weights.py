"""Reading the weights of a model, from safetensors only and as fp32."""

from __future__ import annotations

import torch
from transformers import AutoModelForSequenceClassification, PreTrainedConfig, PreTrainedModel
from transformers.models.auto.auto_factory import _BaseAutoModelClass

from classification.messages.log import Line
from classification.models.choice import ModelChoice
from classification.models.load_checks import CONFIG_ERRORS, LOAD_ERRORS, check_weights, explain_load_error


def read_weights(
    name: str,
    choice: ModelChoice,
    config: PreTrainedConfig,
    attention: str | None,
    *,
    any_head: bool,
    new_head: bool,
    auto: type[_BaseAutoModelClass] = AutoModelForSequenceClassification,
) -> tuple[PreTrainedModel, set[str], Line]:
    """`auto.from_pretrained`, with errors that name the remedy, and the names of the tensors that are new.

    Args:
        any_head: replace a head in the file that has another size.
        new_head: whether the head may be missing in the file.
    """
    try:
        model, report = auto.from_pretrained(
            name,
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            attn_implementation=attention,
            ignore_mismatched_sizes=any_head,
            output_loading_info=True,
            **choice.hub.arguments(),
        )
    except (*LOAD_ERRORS, *CONFIG_ERRORS) as error:
        raise explain_load_error(name, error, new_head=new_head) from error
    new = set(report["missing_keys"]) | {key for key, *_ in report["mismatched_keys"]}
    return model, new, check_weights(name, model, new, new_head=new_head)
