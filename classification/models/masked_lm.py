"""An encoder that predicts masked tokens: with the head in its file, or a new one tied to its input embeddings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from transformers import MODEL_FOR_MASKED_LM_MAPPING, AutoModel, AutoModelForMaskedLM, PreTrainedConfig, PreTrainedModel
from transformers.utils import ModelOutput

from classification.errors import UsageError
from classification.messages.log import Line
from classification.models.adapter_folders import holds_adapter
from classification.models.choice import ModelChoice
from classification.models.load_checks import LOAD_ERRORS
from classification.models.parts import head_modules, in_head
from classification.models.weights import read_weights

FLAG = "--model_name_or_path"
CLASS = "AutoModelForMaskedLM"


@dataclass(frozen=True)
class MaskedLm:
    """The model, whether its head is new, and the lines about both."""

    model: PreTrainedModel
    has_new_head: bool
    lines: list[Line]


def check_can_predict(choice: ModelChoice, config: PreTrainedConfig) -> None:
    """Refuse a model that has no form that predicts masked tokens.

    Raises:
        UsageError: a decoder, an encoder with a decoder, a model from scratch, or the folder of an adapter.
    """
    name, remedy = choice.name, "Name an encoder, such as BERT, RoBERTa, MPNet, ModernBERT, DeBERTa or DistilBERT."
    if choice.from_scratch:
        raise UsageError(f"{FLAG} {name}: an LSTM from random weights is not pretrained this way. {remedy}")
    if holds_adapter(name):
        raise UsageError(
            f"{FLAG} {name}: the folder holds an adapter without its base model. Name the base model: its folder is "
            "base_model_name_or_path in adapter_config.json."
        )
    has_own_code = choice.hub.trust_remote_code and CLASS in (getattr(config, "auto_map", None) or {})
    if config.is_encoder_decoder or (type(config) not in MODEL_FOR_MASKED_LM_MAPPING and not has_own_code):
        kind = "a model with a decoder" if config.is_encoder_decoder else "this kind of model"
        raise UsageError(f"{FLAG} {name}: {kind} ({config.model_type}) predicts no masked tokens. {remedy}")


def load_masked_lm(choice: ModelChoice, config: PreTrainedConfig, attention: str | None) -> MaskedLm:
    """The encoder under a head that predicts masked tokens, in fp32.

    Parts of the encoder that the form for masked tokens leaves out, such as BERT's pooler, are loaded, kept as they are
    and saved again: a classifier begins with them.

    Raises:
        UsageError: as from `check_can_predict` and `read_weights`, or the head does not predict one token per position.
    """
    check_can_predict(choice, config)
    saved_as = (config.architectures or [""])[0]

    def read() -> tuple[PreTrainedModel, set[str], Line]:
        return read_weights(
            choice.name, choice, config, attention, any_head=False, new_head=True, auto=AutoModelForMaskedLM
        )

    model, new, line = read()
    new_head = sorted(name for name in new if in_head(name, model))
    if new_head and not is_tied(model):
        config.tie_word_embeddings = True
        model, new, line = read()
    lines = [line, *keep_other_parts(model, choice, config, attention)]
    check_head(model, choice.name)
    if not new_head:
        return MaskedLm(model, False, [*lines, Line("head", "that of the file, which predicts masked tokens")])
    start_new_head(model, set(new_head))
    was = " (the file is of a discriminator, which predicts no tokens)" if saved_as == "ElectraForPreTraining" else ""
    text = f"new: the file has none that predicts masked tokens{was}; its output layer is the input embeddings (tied)"
    return MaskedLm(model, True, [*lines, Line("head", text)])


def is_tied(model: PreTrainedModel) -> bool:
    """Whether the output layer and the input embeddings are one tensor."""
    output = model.get_output_embeddings()
    return output is not None and output.weight is model.get_input_embeddings().weight


def start_new_head(model: PreTrainedModel, new: set[str]) -> None:
    """The square layer of a new head begins as the identity, not as noise: the states stay what they are."""
    for name, module in model.named_modules():
        is_square = isinstance(module, nn.Linear) and module.in_features == module.out_features
        if is_square and f"{name}.weight" in new:
            with torch.no_grad():
                module.weight.copy_(torch.eye(module.in_features))  # type: ignore[operator]


def start_at_frequencies(model: PreTrainedModel, counts: np.ndarray) -> bool:
    """The bias of a new head begins at the logarithm of how often each token occurs, as `head_prior` does for classes.

    Args:
        counts: of each token in the training texts, [V].

    Returns:
        Whether the head has such a bias.
    """
    bias = getattr(model.get_output_embeddings(), "bias", None)
    if bias is None or bias.shape != counts.shape:
        return False
    shares = (counts + 1) / (counts.sum() + len(counts))
    with torch.no_grad():
        bias.copy_(torch.from_numpy(np.log(shares * len(counts))))
    return True


def keep_other_parts(
    model: PreTrainedModel, choice: ModelChoice, config: PreTrainedConfig, attention: str | None
) -> list[Line]:
    """Give the encoder the parts that only the bare encoder has, if the file has their weights; they do not train."""
    bare, new, _ = read_weights(choice.name, choice, config, attention, any_head=True, new_head=True, auto=AutoModel)
    missing = {name: part for name, part in bare.named_children() if getattr(model.base_model, name, None) is None}
    if any(f"{name}.{tensor}" in new for name, part in missing.items() for tensor, _ in part.named_parameters()):
        return []  # the file does not have them either
    for name, part in missing.items():
        setattr(model.base_model, name, part.requires_grad_(False))
    kept = [name for name, part in missing.items() if any(True for _ in part.parameters())]
    return [Line("kept", f"{', '.join(kept)}: not trained here, saved as before")] if kept else []


def check_head(model: PreTrainedModel, name: str) -> None:
    """Check on three tokens that the head turns the states of some positions into a logit per token of the vocabulary.

    Raises:
        UsageError: it does not.
    """
    try:
        with torch.no_grad(), StatesAt(model) as states:
            states.positions = torch.tensor([[1, 2]])
            logits = model(input_ids=torch.tensor([[1, 1, 2]])).logits
            fits = logits.shape == (1, 2, model.get_input_embeddings().weight.shape[0])
    except (*LOAD_ERRORS, AttributeError, LookupError, TypeError):
        fits = False
    if not fits or not head_modules(model):
        raise UsageError(
            f"{FLAG} {name}: {type(model).__name__} does not predict one token per position. Name another encoder."
        )


class StatesAt:
    """Inside, the head sees the encoder's states at `positions` only: [B, T, H] becomes [B, P, H].

    15% of the tokens are predicted. The product with the whole vocabulary, half of the arithmetic of a small model, is
    left out for the others.

    Attributes:
        positions: of the tokens in each row, int64 [B, P]; None for all.
    """

    def __init__(self, model: PreTrainedModel):
        self.model = model
        self.positions: torch.Tensor | None = None
        self.handle = None

    def __enter__(self) -> StatesAt:
        self.handle = self.model.base_model.register_forward_hook(self._select)
        return self

    def __exit__(self, *error: object) -> None:
        if self.handle is not None:
            self.handle.remove()

    def _select(self, module: nn.Module, inputs: object, output: ModelOutput | tuple) -> ModelOutput | tuple:
        if self.positions is None:
            return output
        states = output[0]
        chosen = states.gather(1, self.positions[..., None].expand(-1, -1, states.shape[-1]))
        if isinstance(output, tuple):
            return (chosen, *output[1:])
        output.last_hidden_state = chosen
        return output
