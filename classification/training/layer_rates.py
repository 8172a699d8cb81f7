"""`--layerwise_lr_decay`: the nearer a layer is to the input, the lower its learning rate."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from peft import PeftModel
from torch import nn
from transformers import PreTrainedModel

from classification.errors import UsageError
from classification.messages.log import Line
from classification.models.parts import in_head, layer_stack


@dataclass(frozen=True)
class LayerRates:
    """The learning rate of each weight: that of the head times `decay` to the power of the weight's depth.

    Head and pooler have depth 0 and the rate of the flag, the top layer has depth 1, the lowest of L layers depth L,
    and the embeddings depth L + 1 (the powers of Bao et al. 2022, BEiT). Sun et al. 2019, How to Fine-Tune BERT for
    Text Classification, give the top layer the full rate. ELECTRA's code (Clark et al. 2020) begins at decay ** 2.

    Args:
        depths: of every parameter, by its name in the model without adapters' wrapper.
        layers: how many layers have a rate of their own.
        note: what is unusual about the layers, "" where nothing is.
    """

    decay: float
    depths: dict[str, int]
    layers: int
    note: str = ""

    @classmethod
    def of(cls, model: PreTrainedModel | PeftModel, decay: float) -> LayerRates:
        """The rates of a model.

        Raises:
            UsageError: the model has no list of layers.
        """
        base = unwrapped(model)
        lists, count = layer_lists(base)
        if not lists:
            raise UsageError(
                f"--layerwise_lr_decay {decay:g}: {type(base).__name__} has no single list of layers that could have "
                "rates of their own. Leave the flag out, or pass 1."
            )
        depths = parameter_depths(base, lists, count)
        total = base.config.get_text_config().num_hidden_layers
        note = "" if count == total else f"; its {total} layers share the weights of {count}"
        return cls(decay, depths, count, note)

    def split_groups(self, optimizer: torch.optim.Optimizer, model: PreTrainedModel | PeftModel, flag: str) -> None:
        """Split each group of weights by depth, before the first step; every other value of a group stays.

        The head comes first: the learning rate that a run logs is that of the first group.

        Args:
            flag: `--optim` and its value, for the message.

        Raises:
            UsageError: the optimizer does not keep the trainable weights in groups.
        """
        depths = {id(each): self.depths[name] for name, each in unwrapped(model).named_parameters()}
        groups = list(optimizer.param_groups)
        grouped = [id(each) for group in groups for each in group["params"]]
        if sorted(grouped) != sorted(id(each) for each in model.parameters() if each.requires_grad):
            raise UsageError(
                f"--layerwise_lr_decay {self.decay:g} and {flag}: this optimizer does not keep the weights in groups "
                "with a rate each. Choose --optim adamw_torch, or pass --layerwise_lr_decay 1."
            )
        optimizer.param_groups.clear()
        for depth in sorted({depths[each] for each in grouped}):
            for group in groups:
                weights = [each for each in group["params"] if depths[id(each)] == depth]
                if weights:
                    optimizer.add_param_group(group | {"params": weights, "lr": group["lr"] * self.decay**depth})

    def summary(self, model: PreTrainedModel | PeftModel, rate: float) -> list[Line]:
        """One line: the rates of head, top layer and lowest trainable weights.

        Args:
            rate: `--learning_rate`, of the head.
        """
        trained = {self.depths[name] for name, each in unwrapped(model).named_parameters() if each.requires_grad}
        parts = [f"head {rate:.3g}"]
        if 1 in trained:
            parts.append(f"top layer {rate * self.decay:.3g}")
        lowest = max(trained)
        if lowest > 1:
            name = "embeddings" if lowest > self.layers else f"layer {self.layers - lowest + 1} of {self.layers}"
            parts.append(f"{name} {rate * self.decay**lowest:.3g}")
        return [Line("rates", f"{', '.join(parts)}: times {self.decay:g} per layer{self.note}")]


def unwrapped(model: PreTrainedModel | PeftModel) -> PreTrainedModel:
    """The model inside adapters' wrapper; the adapters are in its layers."""
    return model.get_base_model() if isinstance(model, PeftModel) else model


def layer_lists(model: PreTrainedModel) -> tuple[dict[str, nn.ModuleList], int]:
    """The lists of the encoder's layers by name, and how many layers each has; none where layers cannot be told apart.

    A model has several lists where the parts of its layers are in lists of their own (XLM). ALBERT has one group of
    weights, or a few, which its layers share.
    """
    config = model.config.get_text_config()
    if getattr(config, "is_encoder_decoder", False):
        return {}, 0
    stack = layer_stack(model)[1]
    count = len(stack) if stack is not None else getattr(config, "num_hidden_groups", 0)
    found: dict[str, nn.ModuleList] = {}
    for name, module in model.named_modules():
        is_list = isinstance(module, nn.ModuleList) and len(module) == count > 0 and not in_head(name, model)
        if is_list and not any(name.startswith(f"{outer}.") for outer in found):
            found[name] = module
    return found, count


def parameter_depths(model: PreTrainedModel, lists: dict[str, nn.ModuleList], count: int) -> dict[str, int]:
    """The depth of every parameter, 0 to `count` + 1.

    Weights outside the layers: those before the first layer have the depth of the embeddings. Those after the last
    have that of the top layer (ModernBERT's and GPT-2's last norm), unless they belong to relative positions, which
    every layer reads (DeBERTa, MPNet): an embedding that follows the layers, and what comes after it.
    """
    depths: dict[str, int] = {}
    feeds_all_layers = True
    for name, _ in model.named_parameters():
        number = layer_number(name, lists)
        owner = model.get_submodule(name.rpartition(".")[0])
        if in_head(name, model):
            depths[name] = 0
        elif number is not None:
            depths[name], feeds_all_layers = count - number, False
        else:
            feeds_all_layers = feeds_all_layers or isinstance(owner, nn.Embedding)
            depths[name] = count + 1 if feeds_all_layers else 1
    return depths


def layer_number(name: str, lists: dict[str, nn.ModuleList]) -> int | None:
    """The number of the layer that a parameter is in, 0 for the lowest; None outside the layers."""
    for stack in lists:
        if name.startswith(f"{stack}."):
            return int(name[len(stack) + 1 :].split(".")[0])
    return None
