"""Why a classifier gave its answer: how much each word of the text moved the output of a label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from transformers import PreTrainedModel

from classification.data.labels import LabelSpace
from classification.errors import UsageError
from classification.inference.classifier import Classifier
from classification.inference.integrated_gradients import (
    Attribution,
    TokenAttributions,
    check_captum,
    embedding_layers,
)
from classification.inference.read_tokens import ReadTokens, check_offsets, read_tokens
from classification.inference.word_spans import Spans, find_spans

# C labels.

STRONGEST = 20  # words that a file has
TEXT_NAMES = ("text", "text_pair")


@dataclass(frozen=True)
class WordScore:
    """A word that the model read.

    Args:
        text_number: 0 for the text, 1 for the second text of a pair.
        start, end: its place in that text, in characters.
        score: what it adds to the output of the label; negative where it speaks against the label.
    """

    text: str
    start: int
    end: int
    score: float
    text_number: int = 0


@dataclass(frozen=True)
class LabelExplanation:
    """The words for and against one label.

    Args:
        words: all words that the model read, in the order of the text; their scores add up to `output - baseline`, but
            for the completeness error.
        output: the logit of the label; for a number the number, in its own units.
        baseline: the same without the texts: with a pad token in the place of each of their tokens.
        completeness_error: by how much the sum of the scores differs from `output - baseline`.
        is_exact: whether that is below 1% of the difference, or what fp32 rounds.
        is_predicted: whether the label is (part of) the answer.
    """

    label: str
    words: tuple[WordScore, ...]
    output: float
    baseline: float
    completeness_error: float
    steps: int
    is_exact: bool
    is_predicted: bool

    def strongest(self, count: int) -> list[WordScore]:
        """The words with the largest scores of either sign, the largest first."""
        return sorted(self.words, key=lambda word: -abs(word.score))[:count]

    def as_json(self, *, is_pair: bool) -> dict[str, Any]:
        words = [
            {"text": word.text, "start": word.start, "end": word.end, "score": round_score(word.score)}
            | ({"in": TEXT_NAMES[word.text_number]} if is_pair else {})
            for word in self.strongest(STRONGEST)
        ]
        return {
            "label": self.label,
            **({} if self.is_predicted else {"predicted": False}),
            "words": words,
            "completeness_error": round_score(self.completeness_error),
            "steps": self.steps,
        }


@dataclass(frozen=True)
class Explanation:
    """The explanations of one text or pair.

    Args:
        labels: the label that is predicted; of several labels each predicted one; or those that were asked for. Where
            none of several labels is predicted, the one with the highest logit.
        unread: start and end of the parts of each text that the model did not read, in characters.
        is_list: whether a text has several labels.
    """

    texts: tuple[str, ...]
    labels: tuple[LabelExplanation, ...]
    unread: tuple[tuple[tuple[int, int], ...], ...]
    is_list: bool

    @property
    def is_pair(self) -> bool:
        return len(self.texts) == 2

    @property
    def has_unread(self) -> bool:
        """Whether the model did not read a part of the texts."""
        return any(self.unread)

    def as_json(self) -> dict[str, Any] | list[dict[str, Any]]:
        """For files: one object with the 20 strongest words; with several labels a list of these objects."""
        values = [one.as_json(is_pair=self.is_pair) for one in self.labels]
        return values if self.is_list or len(values) != 1 else values[0]


def explain(
    classifier: Classifier, text: str, pair: str | None = None, labels: Sequence[int] | None = None
) -> Explanation:
    """Explain the answer to a text or pair by integrated gradients, in fp32.

    Args:
        labels: numbers of the labels to explain; None for the predicted ones.

    Raises:
        UsageError: captum is missing, or the tokenizer or the architecture does not support it.
    """
    tokens = read_tokens(classifier.tokenizer, classifier.truncation, text, pair)
    pad = classifier.tokenizer.pad_token_id
    attributions = TokenAttributions(torch_model(classifier), tokens, pad)
    task = classifier.task
    predicted = predicted_labels(task, attributions.outputs)
    if labels is None:
        labels = predicted or [int(attributions.outputs.argmax())]
    texts = (text,) if pair is None else (text, pair)
    spans = [find_spans(one, [tokens.offsets[i] for i in tokens.of_text(number)]) for number, one in enumerate(texts)]
    explained = (
        explain_label(task, label, attributions.of_output(label), texts, tokens, spans, label in predicted)
        for label in labels
    )
    unread = tuple(unread_parts(tokens, number, own) for number, own in enumerate(spans))
    return Explanation(texts, tuple(explained), unread, is_list=task.items_per_row > 1)


def check_explainable(classifier: Classifier) -> None:
    """Raise the UsageErrors of `explain` that need no text."""
    check_captum()
    check_offsets(classifier.tokenizer)
    embedding_layers(torch_model(classifier))


def torch_model(classifier: Classifier) -> PreTrainedModel:
    """The model that gives gradients; raises a UsageError for an ONNX model."""
    if not isinstance(classifier.model, PreTrainedModel):
        raise UsageError(
            f"--explain: needs gradients, which the ONNX model {classifier.name} does not have. Pass the folder of the "
            "trained model that it was exported from."
        )
    return classifier.model


def predicted_labels(task: LabelSpace, outputs: np.ndarray) -> list[int]:
    """The numbers of the labels that are the answer to logits [C]: one, any number of them, or the only output."""
    if task.output_scale is not None:
        return [0]
    decisions = task.decide(outputs[None].astype(np.float32))
    return np.flatnonzero(task.indicators(decisions)[0]).tolist()


def explain_label(
    task: LabelSpace, label: int, found: Attribution, texts: Sequence[str], tokens: ReadTokens,
    spans: Sequence[Spans], is_predicted: bool,
) -> LabelExplanation:  # fmt: skip
    std, mean = task.output_scale or (1.0, 0.0)
    words: list[WordScore] = []
    for number, (text, own) in enumerate(zip(texts, spans, strict=True)):
        places = tokens.of_text(number)
        scores, is_read = own.sums(found.scores[places] * std), own.is_read(tokens.is_read[places])
        words += [
            WordScore(text[start:end], start, end, float(score), number)
            for (start, end), score, read in zip(own.bounds, scores, is_read, strict=True)
            if read
        ]
    return LabelExplanation(
        label=task.names[label], words=tuple(words), output=found.output * std + mean,
        baseline=found.baseline * std + mean, completeness_error=found.error * std, steps=found.steps,
        is_exact=found.is_exact, is_predicted=is_predicted,
    )  # fmt: skip


def unread_parts(tokens: ReadTokens, number: int, spans: Spans) -> tuple[tuple[int, int], ...]:
    """Start and end of the consecutive words of which the model reads no token."""
    places = tokens.of_text(number)
    everything = spans.is_read(np.ones(len(places), dtype=bool))
    unread = everything & ~spans.is_read(tokens.is_read[places])
    parts: list[tuple[int, int]] = []
    for word, (start, end) in enumerate(spans.bounds):
        if unread[word]:
            follows = word and unread[word - 1]
            parts[len(parts) - bool(follows) :] = [(parts[-1][0] if follows else start, end)]
    return tuple(parts)


def round_score(value: float) -> float:
    """Six significant digits: more are rounding."""
    return float(f"{value:.6g}")
