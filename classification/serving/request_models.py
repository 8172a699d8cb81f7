"""The bodies of requests and answers: their fields, and one sentence for every body that is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from classification.errors import UsageError, did_you_mean
from classification.inference.answers import Answer
from classification.inference.given_texts import check_text
from classification.serving.refusals import Refusal
from classification.serving.server_limits import ServerLimits

EXAMPLES: list[Any] = [
    {"texts": ["A wonderful film", "A waste of time"]},
    {"text": "A wonderful film", "top_k": 1},
    {"texts": ["A man plays a guitar"], "text_pairs": ["Somebody makes music"]},
]
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
LONGEST_NAME = 40  # characters of an unknown field in an error
KINDS = {  # of pydantic's errors -> what must be there
    "string_type": "must be a string",
    "string_unicode": "has half of a character. Decode it as UTF-8 again",
    "list_type": "must be a list of strings",
    "int_type": "must be a whole number",
    "greater_than_equal": "must be at least 1",
    "less_than_equal": "is too large",
    "model_type": "must be a JSON object",
}


class PredictRequest(BaseModel):
    """`text` or `texts`, and their second texts for a model of pairs."""

    # `check_fields` refuses unknown fields: pydantic makes an error of each, and a large body of them takes seconds.
    model_config = ConfigDict(
        extra="allow", strict=True, json_schema_extra={"examples": EXAMPLES, "additionalProperties": False}
    )

    text: str | None = Field(None, description="One text.")
    text_pair: str | None = Field(None, description="The second text of `text`.")
    # fail_fast: pydantic stops at the first of a million wrong values
    texts: list[str] | None = Field(None, fail_fast=True, description="Several texts; the answers have their order.")
    text_pairs: list[str] | None = Field(None, fail_fast=True, description="The second text of each of `texts`.")
    top_k: int | None = Field(None, ge=1, le=10**9, description="Only the k most probable labels, as a list.")


class LabelProbability(BaseModel):
    """An entry of `probabilities` with `top_k`."""

    label: str
    probability: float


class TextAnswer(BaseModel):
    """The answer to one text, by the decision rule and the calibration that are saved with the model."""

    label: str | list[str] | float | None = Field(
        description="A name, a list of names where a text can have several, or a number. null: the model abstains."
    )
    probability: float | None = Field(
        None, description="Of the label; of the least sure decision where there are several. Missing for a number."
    )
    probabilities: dict[str, float] | list[LabelProbability] | None = Field(
        None, description="Of every label, in the model's order; with `top_k` a list. Missing for a number."
    )
    abstained: bool
    tokens: int = Field(description="Number of tokens that the model read.")
    truncated: bool = Field(description="Whether the text has more tokens.")


class PredictAnswer(BaseModel):
    """The body of an answer with status 200."""

    answers: list[TextAnswer] = Field(description="One per text, in the order of the request.")


class ErrorAnswer(BaseModel):
    """The body of every other answer."""

    error: str = Field(description="What is wrong and what to do.")


@dataclass(frozen=True)
class Asked:
    """What a client asks: N texts, their second texts if they are pairs, and which labels the answers show."""

    texts: list[str]
    pairs: list[str] | None
    top_k: int | None = None
    is_one: bool = False  # it came as `text`

    def place(self, row: int) -> str:
        """The name of a text in the request."""
        return "text" if self.is_one else f"texts[{row}]"


def read_request(body: bytes, limits: ServerLimits, *, reads_pairs: bool | None = None) -> Asked:
    """Check a body.

    Args:
        reads_pairs: whether the model was trained on pairs; None where that is not known.

    Raises:
        Refusal: 400 for a wrong body, 413 for too many or too long texts. It names the place.
    """
    try:
        request = PredictRequest.model_validate_json(body.removeprefix(BYTE_ORDER_MARK))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise Refusal(400, sentence_of(first["type"], first["loc"], first["ctx"] if "ctx" in first else {})) from None
    check_fields(request)
    asked = asked_of(request)
    check_pairs(asked, reads_pairs)
    if len(asked.texts) > limits.max_texts:
        raise Refusal(
            413,
            f"texts: there are {len(asked.texts):,}, and a request may have {limits.max_texts:,}. "
            "Send several requests.",
        )
    for name, values in (("text", asked.texts), ("text_pair", asked.pairs or [])):
        for row, text in enumerate(values):
            check_one(text, name if asked.is_one else f"{name}s[{row}]", name == "text_pair", limits.max_characters)
    return asked


def sentence_of(kind: str, location: Sequence[int | str], context: dict[str, Any]) -> str:
    """An error of pydantic in our words, without anything of the text."""
    place = "".join(f"[{part}]" if isinstance(part, int) else part for part in location)
    if kind == "json_invalid":
        return f"the body is no JSON: {context.get('error', 'it cannot be read')}. Send a JSON object in UTF-8."
    return f"{place or 'the body'}: {KINDS.get(kind, 'has a value that cannot be read')}."


def check_fields(request: PredictRequest) -> None:
    """Raise a Refusal with 400 for the first field that does not exist."""
    for field in request.model_extra or {}:
        name, known = field[:LONGEST_NAME], tuple(PredictRequest.model_fields)
        hint = did_you_mean(name, known)
        raise Refusal(400, f"{name}: there is no such field.{hint} The fields are {', '.join(known)}.")


def asked_of(request: PredictRequest) -> Asked:
    """The texts of a request in one form.

    Raises:
        Refusal: no texts, both forms, or another number of second texts.
    """
    if request.text is not None and request.texts is not None:
        raise Refusal(400, "text and texts: both are given. Send one of them.")
    if request.texts is not None:
        if request.text_pair is not None:
            raise Refusal(400, "text_pair: belongs to text. Send the second texts of texts as text_pairs.")
        pairs = request.text_pairs
        if pairs is not None and len(pairs) != len(request.texts):
            raise Refusal(400, f"text_pairs: {len(pairs):,} for {len(request.texts):,} texts. Send one for each.")
        return Asked(request.texts, pairs, request.top_k)
    if request.text is None:
        raise Refusal(400, 'the body has no texts. Send {"text": "..."} or {"texts": ["...", "..."]}.')
    if request.text_pairs is not None:
        raise Refusal(400, "text_pairs: belongs to texts. Send the second text of text as text_pair.")
    second = None if request.text_pair is None else [request.text_pair]
    return Asked([request.text], second, request.top_k, is_one=True)


def check_pairs(asked: Asked, reads_pairs: bool | None) -> None:
    name = "text_pair" if asked.is_one else "text_pairs"
    if reads_pairs and asked.pairs is None:
        raise Refusal(400, f"{name}: is missing, and the model reads pairs of texts. Send a second text for each.")
    if reads_pairs is False and asked.pairs is not None:
        raise Refusal(400, f"{name}: the model reads single texts. Leave it out.")


def check_one(text: str, place: str, may_be_blank: bool, most: int) -> None:
    if len(text) > most:
        raise Refusal(413, f"{place}: has {len(text):,} characters, and a text may have {most:,}. Send less of it.")
    try:
        check_text(text, place, may_be_blank=may_be_blank)
    except UsageError as error:
        raise Refusal(400, str(error)) from None


def answer_fields(answer: Answer, top_k: int | None) -> dict[str, object]:
    """The fields of a `TextAnswer`."""
    label = list(answer.label) if isinstance(answer.label, tuple) else answer.label
    fields: dict[str, object] = {"label": label}
    if answer.probability is not None:
        best = None if top_k is None else [{"label": name, "probability": p} for name, p in answer.top(top_k)]
        fields |= {
            "probability": answer.probability,
            "probabilities": dict(answer.probabilities) if best is None else best,
        }
    return fields | {"abstained": answer.abstained, "tokens": answer.tokens, "truncated": answer.truncated}
