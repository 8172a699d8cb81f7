"""A body is read completely or refused with one plain sentence that names the place."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError
from served import LIMITS

from classification.inference.answers import Answer
from classification.serving.refusals import Refusal, json_bytes
from classification.serving.request_models import PredictRequest, answer_fields, read_request


def refusal(body: object, **given) -> Refusal:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(Refusal) as refused:
        read_request(content, LIMITS, **given)
    return refused.value


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "the body is no JSON"),
        (b"{", "the body is no JSON"),
        (b"\xff\xfe{", "the body is no JSON"),
        (b'{"text": "a"} {"text": "b"}', "the body is no JSON"),
        (b"[" * 50_000, "the body is no JSON"),
        (b'{"text": "\\ud83d"}', "the body is no JSON"),  # half of a character
        (b"NaN", "the body: must be a JSON object"),
        ([], "the body: must be a JSON object"),
        ("a text", "the body: must be a JSON object"),
        ({}, "the body has no texts"),
        ({"text": None}, "the body has no texts"),
        ({"texts": "a"}, "texts: must be a list of strings"),
        ({"text": ["a"]}, "text: must be a string"),
        ({"texts": ["a", None]}, "texts[1]: must be a string"),
        ({"texts": ["a", 1]}, "texts[1]: must be a string"),
        ({"texts": [["a", "b"]]}, "texts[0]: must be a string"),
        ({"texts": ["a", " \u200b\n"]}, "texts[1]: is blank"),
        ({"text": ""}, "text: is blank"),
        ({"text": "a", "texts": ["b"]}, "text and texts: both are given"),
        ({"text": "a", "text_pairs": ["b"]}, "text_pairs: belongs to texts"),
        ({"texts": ["a"], "text_pair": "b"}, "text_pair: belongs to text."),
        ({"texts": ["a", "b"], "text_pairs": ["c"]}, "text_pairs: 1 for 2 texts"),
        ({"texts": ["a"], "text_pairs": [3]}, "text_pairs[0]: must be a string"),
        ({"inputs": ["a"]}, "inputs: there is no such field"),
        ({"Texts": ["a"]}, "Did you mean 'texts'?"),
        ({"text": "a", "top_k": 0}, "top_k: must be at least 1"),
        ({"text": "a", "top_k": "3"}, "top_k: must be a whole number"),
        ({"text": "a", "top_k": 1.5}, "top_k: must be a whole number"),
        ({"text": "a", "top_k": 10**30}, "top_k: "),
        ({"text": "a", "top_k": True}, "top_k: must be a whole number"),
    ],
)
def test_a_body_that_cannot_be_meant_is_named(body, words):
    refused = refusal(body)
    assert refused.status == 400 and words in refused.message
    assert not [word for word in ("pydantic", "input_value", "https://", "Traceback") if word in refused.message]


def test_too_much_is_refused_with_413():
    assert refusal({"texts": ["a"] * 33}).status == 413
    long = refusal({"texts": ["a", "b" * 2001]})
    assert long.status == 413 and "texts[1]: has 2,001 characters" in long.message
    pair = refusal({"text": "a", "text_pair": "b" * 2001})
    assert pair.status == 413 and pair.message.startswith("text_pair: ")
    assert len(read_request(json.dumps({"texts": ["a" * 2000] * 32}).encode(), LIMITS).texts) == 32


def test_a_million_wrong_values_are_one_error():
    body = b'{"texts": [' + b"1," * 1_000_000 + b"1]}"
    assert refusal(body).message == "texts[0]: must be a string."
    with pytest.raises(ValidationError) as refused:
        PredictRequest.model_validate_json(body)
    assert refused.value.error_count() == 1


def test_many_unknown_fields_are_one_error():
    body = b"{" + b",".join(b'"f%d":1' % i for i in range(100_000)) + b"}"
    assert refusal(body).message.startswith("f0: there is no such field. The fields are text, ")
    assert len(PredictRequest.model_validate_json(body).model_extra) == 100_000  # the model raises nothing
    assert refusal({"f" * 99: 1}).message.startswith("f" * 40 + ": there is no such field")


def test_a_model_of_pairs_gets_pairs_and_another_one_does_not():
    assert "text_pairs: is missing" in refusal({"texts": ["a"]}, reads_pairs=True).message
    assert "text_pair: is missing" in refusal({"text": "a"}, reads_pairs=True).message
    assert "reads single texts" in refusal({"text": "a", "text_pair": "b"}, reads_pairs=False).message
    asked = read_request(b'{"texts": ["a", "b"], "text_pairs": ["c", ""]}', LIMITS, reads_pairs=True)
    assert asked.pairs == ["c", ""]  # a second text may be empty, as in training
    assert read_request(b'{"text": "a", "text_pair": "b"}', LIMITS).pairs == ["b"]


def test_a_text_is_read_as_it_is():
    text = " \u00e9\U0001f600 \\n \x00 =1+1 <b> "
    assert read_request(json.dumps({"text": text}).encode(), LIMITS).texts == [text]
    assert read_request(b'\xef\xbb\xbf{"text": "a"}', LIMITS).texts == ["a"]  # a byte order mark of Windows
    assert read_request(b'{"texts": []}', LIMITS).texts == []


def test_an_answer_has_the_fields_of_its_task():
    one = Answer("a", 0.75, {"a": 0.75, "b": 0.25}, False, 4, True)
    assert answer_fields(one, None) == {
        "label": "a", "probability": 0.75, "probabilities": {"a": 0.75, "b": 0.25}, "abstained": False, "tokens": 4,
        "truncated": True,
    }  # fmt: skip
    assert answer_fields(one, 1)["probabilities"] == [{"label": "a", "probability": 0.75}]
    several = Answer(("a", "b"), 0.6, {"a": 0.9, "b": 0.6})
    assert answer_fields(several, None)["label"] == ["a", "b"]
    assert answer_fields(Answer((), 0.6, {"a": 0.4}), None)["label"] == []
    number = answer_fields(Answer(3.5, None), 2)
    assert number == {"label": 3.5, "abstained": False, "tokens": 0, "truncated": False}
    assert answer_fields(Answer(None, 0.5, {"a": 0.5}, True), None)["label"] is None


def test_the_name_of_a_label_can_be_anything():
    assert json.loads(json_bytes({"\u0633\ud83d</script>": 0.5})) == {"\u0633?</script>": 0.5}
