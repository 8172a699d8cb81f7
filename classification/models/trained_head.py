"""The head of a model that was loaded: kept where its outputs mean the labels of the task, else started anew."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from transformers import PreTrainedConfig, PreTrainedModel

from classification.data.labels import LabelSpace
from classification.data.trained_labels import explain_new_head
from classification.messages.log import Line, warning
from classification.models.calibrated_head import folded_temperatures, unfold
from classification.models.head_prior import HeadPrior, apply_prior
from classification.models.load_checks import headless
from classification.models.parts import encoder_prefix, output_layer
from classification.models.regression_head import regression_head, saved_scale, standardise_output


@dataclass(frozen=True)
class HeadPlan:
    """What is to be done with the head of the file, decided from its config before the task is written to it.

    Args:
        task: of the training, None for a trained classifier that is used as it is.
        scale: standard deviation and mean to which the outputs of a kept regressor are standardised; None for none.
        problem: why a trained head cannot be kept.
        temperatures: that a kept head contains, and that are taken out of it.
    """

    task: LabelSpace | None
    scale: tuple[float, float] | None
    problem: str
    temperatures: tuple[float, ...] = ()

    @classmethod
    def decide(cls, task: LabelSpace | None, config: PreTrainedConfig) -> HeadPlan:
        if task is None:
            return cls(None, saved_scale(config), "", folded_temperatures(config))
        if not task.keeps_head:
            return cls(task, None, explain_new_head(task, config))
        in_units = getattr(config, "label_own_units", False) or not hasattr(config, "label_std")
        return cls(task, task.output_scale if in_units else None, "", folded_temperatures(config))

    def finish(self, model: PreTrainedModel, name: str, new: set[str], prior: HeadPrior | None) -> list[Line]:
        """Keep the head, or start it anew with its bias at `prior`.

        Args:
            name: of the model, for the error.
            new: names of the tensors that the file does not have.

        Raises:
            UsageError: a classifier is used as it is, and the file has no head.
        """
        output, layer = output_layer(model)
        is_new = layer is None or f"{output}.weight" in new
        if self.task is None:
            if layer is not None and is_new:
                raise headless(name, {f"{output}.weight"})
            self.rescale(model)
            return []
        problem = self.problem or self.find_scale_problem(model)
        lines = []
        if not is_new and problem:
            start_anew(model, new)
            lines.append(warning(f"the head starts from new weights: {problem}"))
        elif not is_new:
            self.rescale(model)
            return [Line("head", "kept from the trained model, whose labels are those of train")]
        return [*lines, *([apply_prior(model, prior)] if prior else [])]

    def rescale(self, model: PreTrainedModel) -> None:
        """Bring a kept head to the outputs that training has: standardised numbers, or raw logits."""
        if self.scale is not None:
            standardise_output(model, *self.scale)
        if self.temperatures:
            unfold(model, self.temperatures)

    def find_scale_problem(self, model: PreTrainedModel) -> str:
        if self.scale in (None, (1.0, 0.0)) or regression_head(model) is not None:
            return ""
        return "the trained one has no bias, so that it cannot be brought to the scale of these labels"


@torch.no_grad()
def start_anew(model: PreTrainedModel, new: set[str]) -> None:
    """Draw all weights of the head that came from a file again; the encoder, with its pooler, stays.

    Args:
        new: names of tensors that did not come from the file.
    """
    for module_name, module in model.named_modules():
        prefix = f"{module_name}."
        own = {f"{prefix}{name}" for name, _ in module.named_parameters(recurse=False)}
        if not module_name or prefix.startswith(encoder_prefix(model)) or not own or own <= new:
            continue
        for parameter in module.parameters(recurse=False):
            parameter._is_hf_initialized = False  # type: ignore[attr-defined]  # else the library leaves it as it is
        if hasattr(module, "reset_parameters"):  # for modules that the model's own initialisation does not know
            module.reset_parameters()
        model._init_weights(module)
