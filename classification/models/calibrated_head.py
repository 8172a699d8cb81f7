"""A calibrated classifier is saved with its temperatures in the last linear layer: W / T and b / T.

Whatever loads the model then gives calibrated probabilities: `pipeline`, an ONNX export, a server. In this recipe the
logits of a model are raw, and its task applies the temperatures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from classification.data.label_names import names_in
from classification.data.labels import LabelSpace
from classification.data.saved_temperatures import FOLDED, KEY, saved_calibration
from classification.errors import UsageError, cosmetic
from classification.messages.log import log_lines, warning
from classification.models.adapter_folders import has_adapters
from classification.models.parts import output_layer

if TYPE_CHECKING:
    from peft import PeftModel

# N rows that are compared, C labels.

TOLERANCE = 1e-4  # of a logit, relative for those above 1


@contextmanager
def calibrated_head(
    model: PreTrainedModel | PeftModel,
    task: LabelSpace,
    few_logits: Callable[[], np.ndarray],
    lost: list[str] | None = None,
) -> Iterator[None]:
    """Inside, the model's logits are calibrated, and its config records it: save the model here.

    This is checked on a few rows. Where the last linear layer cannot hold the temperatures, the weights do not change,
    the config records that, and a warning is logged. Afterwards the weights are those that loading the saved
    model gives, `W / T * T`: equal to the old ones but for the last bit.

    Args:
        task: already written to the model's config.
        few_logits: computes the logits of a few rows, [N, C], with the model as it is.
        lost: gets what an error has cost.
    """
    if not task.temperatures:
        yield
        return
    problem = "the folded weights could not be checked"
    with cosmetic("calibration in the saved weights", lost, asked=False):
        problem = fold(model, task.temperatures, few_logits)
    if problem:
        log_lines([warning(describe_unfolded(problem))])
    mark(model.config, folded=not problem)
    try:
        yield
    finally:
        if not problem:
            unfold(model, task.temperatures)


def describe_unfolded(problem: str) -> str:
    return (
        f"The temperatures are not in the saved weights, because {problem}: pipeline and exports give uncalibrated "
        f"probabilities. This recipe applies the temperatures of config.json ({KEY})"
    )


def fold(
    model: PreTrainedModel | PeftModel, temperatures: Sequence[float], few_logits: Callable[[], np.ndarray]
) -> str:
    """Divide the last linear layer by the temperatures; where this does not divide the logits, change nothing.

    Returns:
        Why nothing was changed, else "".
    """
    layer, problem = layer_to_fold(model)
    if layer is None:
        return problem
    before = [each.detach().clone() for each in layer.parameters(recurse=False)]
    try:
        expected = few_logits().astype(np.float64) / np.array(temperatures)
        scale(layer, temperatures, torch.Tensor.div_)
        distance = np.abs(few_logits() - expected) / np.maximum(1.0, np.abs(expected))
        problem = "" if (distance <= TOLERANCE).all() else "the last linear layer does not give the logits alone"
    except BaseException:
        put_back(layer, before)
        raise
    if problem:
        put_back(layer, before)
    return problem


@torch.no_grad()
def put_back(layer: nn.Linear, values: list[torch.Tensor]) -> None:
    for parameter, value in zip(layer.parameters(recurse=False), values, strict=True):
        parameter.copy_(value)


def unfold(model: PreTrainedModel | PeftModel, temperatures: Sequence[float]) -> None:
    """Revert `fold`: the logits are raw again, and the config does not say that they are calibrated.

    Raises:
        UsageError: a config that says so of a model without such a layer.
    """
    layer, problem = layer_to_fold(model)
    if layer is None:
        raise UsageError(f"config.json: {KEY}: says {FOLDED}, but {problem}. Remove {KEY} from it.")
    scale(layer, temperatures, torch.Tensor.mul_)
    if hasattr(model.config, KEY):  # training has removed it before
        mark(model.config, folded=False)


def layer_to_fold(model: PreTrainedModel | PeftModel) -> tuple[nn.Linear | None, str]:
    """The linear layer that may give the logits, or None and the reason why there is none to change."""
    base = getattr(model, "_orig_mod", model)  # of torch.compile
    base = base.get_base_model() if has_adapters(base) else base
    name, layer = output_layer(base)
    if layer is None:
        return None, "its head does not end in a linear layer"
    own = {id(each) for each in layer.parameters(recurse=False)}
    places = {each.data_ptr() for each in layer.parameters(recurse=False)}
    for other, parameter in base.named_parameters(remove_duplicate=False):
        is_same = id(parameter) in own or parameter.data_ptr() in places
        if is_same and not other.startswith(f"{name}."):
            return None, f"its last linear layer shares its weights with {other}"
    if not layer.weight.is_floating_point() or layer.weight.ndim != 2:
        return None, "its last linear layer is quantised or sharded"
    return layer, ""


@torch.no_grad()
def scale(layer: nn.Linear, temperatures: Sequence[float], operation: Callable[..., Any]) -> None:
    """Divide or multiply weight and bias in place; one temperature for all outputs, or one per output."""
    factors = torch.tensor(temperatures, dtype=torch.float32, device=layer.weight.device)
    operation(layer.weight, factors[:, None])
    if layer.bias is not None:
        operation(layer.bias, factors)


def mark(config: PreTrainedConfig, *, folded: bool) -> None:
    """Say in the config whether the weights contain the temperatures."""
    config.calibration = {**getattr(config, KEY, {}), FOLDED: folded}


def folded_temperatures(config: PreTrainedConfig) -> tuple[float, ...]:
    """The temperatures that the weights of a saved model contain, by id; () for any other model."""
    facts = getattr(config, KEY, None)
    if not isinstance(facts, dict) or not facts.get(FOLDED):
        return ()
    return saved_calibration(config, names_in(config)).get("temperatures", ())
