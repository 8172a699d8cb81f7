"""A saved classifier, ready to answer: its model, tokenizer, task and way of reading long texts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from classification.data.encoding import encode_batch
from classification.data.labels import LabelSpace
from classification.data.length_order import longest_first
from classification.data.tasks import task_as_dict
from classification.data.truncation import Truncation
from classification.data.unknown_tokens import unknown_shares
from classification.errors import UsageError, own_error
from classification.inference.answers import Answer, check_probabilities, decide, typed_answers
from classification.inference.engines import Engine
from classification.inference.given_texts import Pairs, Texts, read_texts
from classification.models.tokenization import check_room

if TYPE_CHECKING:
    from classification.inference.onnx_model import OnnxModel

# N texts, C labels.

AT_ONCE = 4096  # texts of a call that are encoded together
PIECE_TOKENS = 65_536  # that an engine gets at a time, so that progress is seen
ORIGIN = ("_name_or_path", "transformers_version")  # fields of a config
NOT_FINITE = "the output of the model is not a number"
NO_TOKENS = "the tokenizer leaves nothing of it"
ENCODING = Lock()  # a call changes settings of a tokenizer, which several threads may share


@dataclass(frozen=True)
class Encoded:
    """N texts as token ids.

    Args:
        columns: ragged lists, as from `encode_batch`.
        tokens: that are read of each text, int64 [N]; full_tokens: that each text has, int64 [N].
        unknown: share of each text's tokens that the tokenizer does not know, float32 [N].
    """

    columns: dict[str, list]
    tokens: np.ndarray
    full_tokens: np.ndarray
    unknown: np.ndarray


@dataclass(frozen=True)
class Outputs:
    """What the model gives for N texts.

    Args:
        logits: float32 [N, C], before temperatures and the decision rule of the task; not finite where the model fails
            and where a text has no tokens.
        tokens, full_tokens, unknown: as of `Encoded`.
    """

    logits: np.ndarray
    tokens: np.ndarray
    full_tokens: np.ndarray
    unknown: np.ndarray

    @property
    def truncated(self) -> np.ndarray:
        """Whether each text has more tokens than were read, bool [N]."""
        return self.full_tokens > self.tokens

    @property
    def is_finite(self) -> np.ndarray:
        """Whether each row has an answer, bool [N]."""
        return np.isfinite(self.logits).all(axis=1)

    def problem(self, row: int) -> str:
        """Why a row has no answer."""
        return NOT_FINITE if self.tokens[row] else NO_TOKENS

    def of(self, rows: np.ndarray) -> Outputs:
        """Those of some rows, by their positions or a mask."""
        return Outputs(self.logits[rows], self.tokens[rows], self.full_tokens[rows], self.unknown[rows])


@dataclass(frozen=True)
class Classifier:
    """A model that answers texts as it was trained to. Call it with a text, texts, or pairs of texts.

    >>> classifier = load("out")                           # doctest: +SKIP
    >>> classifier("a wonderful film").label               # doctest: +SKIP
    'positive'
    >>> [answer.label for answer in classifier(["a wonderful film", "a waste of time"])]    # doctest: +SKIP
    ['positive', 'negative']

    Args:
        name: folder or Hub name.
        model: in fp32 on its device, or an ONNX model. engine: computes the logits, in the format that was chosen.
        abstain_below: answers that are less sure have no label; None to answer always.
    """

    name: str
    task: LabelSpace
    tokenizer: PreTrainedTokenizerBase
    model: PreTrainedModel | OnnxModel
    truncation: Truncation
    engine: Engine
    abstain_below: float | None = None

    @overload
    def __call__(self, texts: str, pairs: str | None = None) -> Answer: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, texts: Iterable[str] | Iterable[tuple[str, str]], pairs: Pairs = None) -> list[Answer]: ...
    def __call__(self, texts: Texts, pairs: Pairs = None) -> Answer | list[Answer]:
        """One `Answer` for one text, a list of them for several texts, in their order.

        Args:
            texts: a text, several texts, or several pairs `(text, second text)`.
            pairs: the second text of each text, where `texts` has only the first ones.

        Raises:
            UsageError: a value that is no text, or a text without words; names its place.
            RunError: the model's output is not finite, or one text does not fit into memory.
        """
        given = read_texts(texts, pairs)
        answers: list[Answer] = []
        for start in range(0, len(given.texts), AT_ONCE):
            some = slice(start, start + AT_ONCE)
            outputs = self.outputs(given.texts[some], None if given.pairs is None else given.pairs[some])
            bad = np.flatnonzero(~outputs.is_finite)
            if len(bad):
                place, problem = start + int(bad[0]), outputs.problem(int(bad[0]))
                if problem == NO_TOKENS:
                    raise UsageError(f"text {place}: {problem}. Pass a text with words, or leave it out.")
                raise own_error(f"text {place}: {problem}. The model is damaged.")
            decided = decide(outputs.logits, self.task, self.abstain_below)
            answers += typed_answers(decided, outputs.tokens, outputs.full_tokens)
        return answers[0] if given.is_one else answers

    def outputs(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> Outputs:
        """Logits of texts, or of pairs of texts, in their order.

        Raises:
            RunError: one text does not fit into memory.
        """
        return self.compute(self.encode(texts, pairs))

    def encode(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> Encoded:
        """Token ids of texts or pairs, cut as in training; can run in a thread beside `compute`.

        Raises:
            UsageError: no room for two texts.
        """
        if pairs is not None:
            check_room(self.tokenizer, self.truncation, pairs=True)
        batch = {"text": list(texts)} | ({} if pairs is None else {"text_pair": list(pairs)})
        if not batch["text"]:
            none = np.zeros(0, dtype=np.int64)
            return Encoded({}, none, none, np.zeros(0, dtype=np.float32))
        length = self.tokenizer.model_max_length
        with ENCODING:
            columns = encode_batch(batch, tokenizer=self.tokenizer, max_length=length, truncation=self.truncation)
        read, full = (np.array(columns.pop(name), dtype=np.int64) for name in ("read_length", "full_length"))
        return Encoded(columns, read, full, unknown_shares(columns["input_ids"], self.tokenizer))

    def compute(self, encoded: Encoded, done: Callable[[int], None] | None = None) -> Outputs:
        """The model's outputs for encoded texts.

        Args:
            done: is told after each piece of the work how many texts more are computed.

        Raises:
            RunError: one text does not fit into memory.
        """
        logits = np.full((len(encoded.tokens), self.task.num_labels), np.nan, dtype=np.float32)
        for rows in pieces(encoded.tokens):
            read = rows[encoded.tokens[rows] > 0]
            some = {name: [values[row] for row in read] for name, values in encoded.columns.items()}
            logits[read] = self.engine.logits(some)
            if done:
                done(len(rows))
        return Outputs(logits, encoded.tokens, encoded.full_tokens, encoded.unknown)

    def abstaining(self, below: float | None) -> Classifier:
        """The same classifier, which gives no label where it is less sure than `below`.

        Raises:
            UsageError: a task without probabilities.
        """
        if below is not None and not 0 < below < 1:
            raise UsageError(f"abstain_below {below}: must be a probability between 0 and 1, such as 0.8.")
        check_probabilities(self.task, abstain_below=below)
        return replace(self, abstain_below=below)

    @cached_property
    def identity(self) -> str:
        """A hash of all that decides the logits: weights, settings, tokenizer, truncation, task."""
        digest = hashlib.sha256()
        for some in content_of(self.model):
            digest.update(some)
        facts = {
            "task": task_as_dict(self.task),
            "class": type(self.model).__name__,
            "config": without_origin(self.model.config.to_dict()),
            "truncation": repr(self.truncation),
            "length": self.tokenizer.model_max_length,
        }
        digest.update(json.dumps(facts, sort_keys=True, default=str).encode())
        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        words = backend.to_str() if backend is not None else json.dumps(sorted(self.tokenizer.get_vocab().items()))
        digest.update(words.encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    def __repr__(self) -> str:
        return f"Classifier({self.name!r}: {self.task.describe()}; {type(self.model).__name__}, {self.engine.name})"


def content_of(model: PreTrainedModel | OnnxModel) -> Iterator[bytes]:
    """The weights of a model, as bytes."""
    if not isinstance(model, PreTrainedModel):
        yield from model.content()
        return
    for name, tensor in sorted(model.state_dict().items()):
        yield f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode()
        yield tensor.detach().cpu().contiguous().numpy().tobytes() if tensor.numel() else b""


def without_origin(config: dict[str, Any]) -> dict[str, Any]:
    """A config without where it lies and which version of the library has read it, also in those inside it."""
    inner = {str(key): without_origin(value) if isinstance(value, dict) else value for key, value in config.items()}
    return {key: value for key, value in inner.items() if key not in ORIGIN}


def pieces(tokens: np.ndarray) -> Iterator[np.ndarray]:
    """Row numbers of texts with so many tokens, the longest first, in pieces of at most `PIECE_TOKENS`."""
    order = longest_first(tokens)
    ends = np.cumsum(tokens[order])
    start = 0
    while start < len(order):
        before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + PIECE_TOKENS, side="right")))
        yield order[start:stop]
        start = stop
