"""How much each token moved an output: integrated gradients (Sundararajan et al. 2017, Axiomatic Attribution for Deep
Networks) by the library captum.

The path goes from the same input with a pad token in the place of every token of the texts; special tokens, positions
and segments stay. It is taken behind the embeddings, after their norm: in front of the norm of a model without
positions, such as DeBERTa, pad embeddings of zero make the path jump at its start, and the sum misses it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from classification.errors import UsageError
from classification.inference.read_tokens import ReadTokens

# T tokens of a text, L tokens of one window, S steps, C labels.

FIRST_STEPS, MAX_STEPS = 16, 256
TOLERANCE = 0.01  # of the difference between output and baseline
ROUNDING = 1e-5  # of fp32 outputs: no smaller difference is asked for
STEP_TOKENS = 2048  # that are computed at once, for one forward and backward pass


@dataclass(frozen=True)
class Attribution:
    """The share of every token in one output.

    Args:
        scores: float64 [T]; tokens that the model does not read, and special tokens, have 0.
        output, baseline: the output for the text, and for pad tokens in its place.
        steps: of the integration.
    """

    scores: np.ndarray
    output: float
    baseline: float
    steps: int

    @property
    def error(self) -> float:
        """How far the sum of all scores is from what it must be (completeness)."""
        return abs(float(self.scores.sum()) - (self.output - self.baseline))

    @property
    def is_exact(self) -> bool:
        """Whether the error is below 1% of the difference, or what rounding makes."""
        return self.error <= max(TOLERANCE * abs(self.output - self.baseline), ROUNDING * max(1.0, abs(self.output)))


def check_captum() -> None:
    """Refuse to explain where captum is missing."""
    from importlib.util import find_spec

    if find_spec("captum") is None:
        raise UsageError("--explain: captum is not installed: pip install -r requirements-extras.txt")


class TokenAttributions:
    """The outputs of a model for one text, and the share of every token in each of them.

    Args:
        model: in fp32. tokens: as it reads the text.
        pad: id of the token that says nothing.

    Raises:
        UsageError: captum is missing, or the model reads no embeddings of tokens.
    """

    def __init__(self, model: PreTrainedModel, tokens: ReadTokens, pad: int):
        check_captum()
        self.model, self.tokens = model, tokens
        self.table, self.layer = embedding_layers(model)
        self.windows = [Window(model, tokens, window, pad) for window in tokens.windows]
        with ready(model):
            self._check_layer()
            self.outputs, self.baselines = (self._mean_logits(blank=blank) for blank in (False, True))

    def _mean_logits(self, *, blank: bool) -> np.ndarray:
        """The logits [C] of the text, or of pad tokens in its place; with windows the mean."""
        with torch.no_grad():
            logits = [self._forward(*window.arguments(blank=blank))[0] for window in self.windows]
        return torch.stack(logits).mean(0).double().cpu().numpy()

    def _check_layer(self) -> None:
        """Refuse models that embed the tokens several times (encoder and decoder), or with the batch not in front.

        Where the embeddings of a token depend on its neighbours, as in MobileBERT, special tokens would get a share:
        the path is then taken in the table.
        """
        window = self.windows[0]
        text, blank = (self._layer_output(window.arguments(blank=blank)) for blank in (False, True))
        is_special = (window.ids == window.blank)[0]
        if not torch.equal(text[0, is_special], blank[0, is_special]):
            self.layer = self.table
            self._layer_output(window.arguments(blank=False))

    def _layer_output(self, arguments: list[torch.Tensor]) -> torch.Tensor:
        found: list = []
        hook = self.layer.register_forward_hook(lambda module, args, output: found.append(output))
        try:
            with torch.no_grad():
                self._forward(*arguments)
        finally:
            hook.remove()
        if len(found) != 1 or not isinstance(found[0], torch.Tensor) or found[0].shape[:2] != arguments[0].shape:
            raise cannot_explain(self.model, "it does not have one embedding per token")
        return found[0]

    def _forward(self, words: torch.Tensor, *inputs: torch.Tensor) -> torch.Tensor:
        """Logits [S, C] of inputs [S, L], whose embeddings are those of the tokens `words`.

        All else that depends on the tokens, such as the positions of RoBERTa, follows the text itself.
        """

        def replace_ids(module: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
            if (args[0] if args else kwargs["input"]).shape != words.shape:  # XLNet turns its inputs round
                raise cannot_explain(self.model, "it does not have one embedding per token")
            return ((words, *args[1:]), kwargs) if args else (args, kwargs | {"input": words})

        hook = self.table.register_forward_pre_hook(replace_ids, with_kwargs=True)
        try:
            return self.model(**dict(zip(self.tokens.columns, inputs, strict=True))).logits.float()
        finally:
            hook.remove()

    def of_output(self, label: int) -> Attribution:
        """The shares in one of the logits; the steps double until the error is small enough, or they are 256.

        A token in several windows has the sum of its shares.
        """
        steps = FIRST_STEPS
        while True:
            with ready(self.model):
                scores = self._integrate(label, steps)
            found = Attribution(scores, float(self.outputs[label]), float(self.baselines[label]), steps)
            if found.is_exact or steps >= MAX_STEPS:
                return found
            steps *= 2

    def _integrate(self, label: int, steps: int) -> np.ndarray:
        from captum.attr import LayerIntegratedGradients

        method = LayerIntegratedGradients(self._forward, self.layer)
        scores = np.zeros(len(self.tokens.text_of))
        for window in self.windows:
            if not window.has_text:
                continue
            words, *inputs = window.arguments(blank=False)
            shares = method.attribute(
                words, baselines=window.blank, target=label, additional_forward_args=tuple(inputs), n_steps=steps,
                internal_batch_size=max(1, STEP_TOKENS // words.shape[1]),
            )  # fmt: skip
            scores[list(window.positions)] += shares[0].double().sum(-1).cpu().numpy() / len(self.windows)
        return scores


class Window:
    """The tokens of one call of the model as tensors [1, L], and the same with pad tokens in the texts' places."""

    def __init__(self, model: PreTrainedModel, tokens: ReadTokens, positions: Sequence[int], pad: int):
        self.positions = positions
        columns = {name: [values[i] for i in positions] for name, values in tokens.columns.items()}
        self.inputs = [torch.tensor([values], device=model.device) for values in columns.values()]
        self.ids = torch.tensor([columns["input_ids"]], device=model.device)
        is_text = torch.tensor((tokens.text_of[list(positions)] >= 0)[None], device=model.device)
        self.blank = torch.where(is_text, pad, self.ids)
        self.has_text = bool(is_text.any())

    def arguments(self, *, blank: bool) -> list[torch.Tensor]:
        """What `TokenAttributions._forward` gets."""
        return [self.blank if blank else self.ids, *self.inputs]


def embedding_layers(model: PreTrainedModel) -> tuple[nn.Module, nn.Module]:
    """The table of the tokens' embeddings, and the layer whose output is the input of the encoder.

    Raises:
        UsageError: the architecture has no such table.
    """
    try:
        table = model.get_input_embeddings()
    except (AttributeError, NotImplementedError):
        table = None
    if not isinstance(table, nn.Module):
        raise cannot_explain(model, "it has no table of embeddings")
    layer = getattr(model.base_model, "embeddings", None)
    if isinstance(layer, nn.Module) and any(module is table for module in layer.modules()):
        return table, layer
    return table, table


def cannot_explain(model: PreTrainedModel, why: str) -> UsageError:
    return UsageError(f"--explain: does not support {type(model).__name__}: {why}. Leave the flag out.")


@contextmanager
def ready(model: PreTrainedModel) -> Iterator[None]:
    """Inside, the model is in evaluation mode, and no gradients of its weights are kept."""
    was_training = model.training
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    model.eval()
    for weight in trained:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in trained:
            weight.requires_grad_(True)
        model.train(was_training)
