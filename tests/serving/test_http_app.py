"""The paths: the same answers as predict.py, one shape of errors, limits, the token, metrics and the queue."""

from __future__ import annotations

import dataclasses
import json
import threading

import numpy as np
import pytest
import torch
from helpers import make_bert, make_tokenizer
from made_classifiers import tiny_classifier, without_special_tokens
from served import head_of, hold, served, slow_classifier, wait_until

from classification.data.label_hints import LabelHints
from classification.data.tasks import infer_task
from classification.data.truncation import Truncation
from classification.inference.engines import make_engine
from classification.models.precision import Precision

TEXTS = [f"{'good ' * (i % 9)}{'bad ' * (i % 5)}film" for i in range(30)]
SEVERAL = dataclasses.replace(infer_task([["a"], ["b", "c"], []]), thresholds=(0.5, 0.4, 0.6))
TOKEN = "0123456789abcdef-token"
SECRET = "wonderful" + "secret"  # a piece of a text


@pytest.fixture(scope="module")
def server():
    with served() as running:
        yield running


def probabilities(answers: list[dict]) -> np.ndarray:
    return np.array([list(answer["probabilities"].values()) for answer in answers])


def expected(classifier, texts, pairs=None) -> np.ndarray:
    return np.array([list(answer.probabilities.values()) for answer in classifier(texts, pairs)])


# ------------------------------------------------------------------------------------------------------------- answers


def test_the_answers_are_those_of_predict(server):
    """1e-6 where the batch is the same, 1e-5 where every text comes alone."""
    classifier = server.service.classifier
    answers = server.predict({"texts": TEXTS}).answers
    assert np.abs(probabilities(answers) - expected(classifier, TEXTS)).max() <= 1e-6
    for answer, own in zip(answers, classifier(TEXTS), strict=True):
        assert (answer["label"], answer["tokens"], answer["truncated"]) == (own.label, own.tokens, own.truncated)
    alone = [server.predict({"text": text}).answers[0] for text in TEXTS]
    assert np.abs(probabilities(alone) - expected(classifier, TEXTS)).max() <= 1e-5


def test_several_requests_at_once_get_their_own_answers(server):
    own, found = expected(server.service.classifier, TEXTS), {}

    def ask(number: int) -> None:
        connection = server.connect()
        for row in range(number, len(TEXTS), 4):
            found[row] = server.predict({"text": TEXTS[row]}, connection=connection).answers[0]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert np.abs(probabilities([found[row] for row in range(len(TEXTS))]) - own).max() <= 1e-5


def test_in_half_precision_the_labels_are_those_of_fp32():
    exact = tiny_classifier(initializer_range=0.3)
    model, tokenizer = make_bert(initializer_range=0.3), make_tokenizer()
    engine = make_engine("default", model, tokenizer, exact.task, Precision("bf16", "test"))
    with served(dataclasses.replace(exact, model=model, tokenizer=tokenizer, engine=engine)) as server:
        answers = server.predict({"texts": TEXTS}).answers
        assert [answer["label"] for answer in answers] == [answer.label for answer in exact(TEXTS)]
        assert server.ask("GET", "/health").json["precision"] == "bf16"


def test_several_labels_have_sigmoids_and_thresholds():
    classifier = tiny_classifier(SEVERAL, initializer_range=0.3)
    with served(classifier) as server:
        answers = server.predict({"texts": TEXTS}).answers
        logits = classifier.outputs(TEXTS).logits.astype(float)
        chances = 1 / (1 + np.exp(-logits))
        assert np.abs(probabilities(answers) - chances).max() <= 1e-6
        chosen = [[name for name, p, t in zip("abc", row, (0.5, 0.4, 0.6), strict=True) if p >= t] for row in chances]
        assert [answer["label"] for answer in answers] == chosen and len({tuple(names) for names in chosen}) > 1


def test_a_calibrated_model_that_abstains():
    task = dataclasses.replace(infer_task(["a", "b"]), temperatures=(2.0,))
    classifier = tiny_classifier(task, initializer_range=0.3)
    with served(classifier.abstaining(0.55)) as server:
        answers = server.predict({"texts": TEXTS}).answers
        assert np.abs(probabilities(answers) - expected(classifier, TEXTS)).max() <= 1e-6
        sure = [answer.probability >= 0.55 for answer in classifier(TEXTS)]
        assert [answer["label"] is not None for answer in answers] == sure and 0 < sum(sure) < len(sure)


def test_a_number_has_no_probabilities():
    classifier = tiny_classifier(infer_task([1.5, 2.5], LabelHints(do_regression=True)))
    with served(classifier) as server:
        answer = server.predict({"text": "good film"}).answers[0]
        assert answer["label"] == pytest.approx(classifier("good film").label, abs=1e-6)
        assert answer.keys() == {"label", "abstained", "tokens", "truncated"}


def test_pairs_and_the_most_probable_labels():
    with served(reads_pairs=True, top_k=1) as server:
        classifier = server.service.classifier
        answers = server.predict({"texts": ["good", "bad"], "text_pairs": ["film", ""]}).answers
        own = classifier(["good", "bad"], ["film", ""])
        for answer, one in zip(answers, own, strict=True):
            assert answer["probabilities"] == [
                {"label": one.label, "probability": pytest.approx(one.probability, abs=1e-6)}
            ]
        both = server.predict({"text": "good", "text_pair": "film", "top_k": 9}).answers[0]
        assert len(both["probabilities"]) == 2
        assert "text_pair: is missing" in server.predict({"text": "good"}).error


def test_a_long_text_says_that_it_was_cut(server):
    answer = server.predict({"text": "good " * 300}).answers[0]
    assert answer["truncated"] and answer["tokens"] == 64


def test_no_texts_have_no_answers(server):
    assert server.predict({"texts": []}).answers == []


# -------------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/nowhere", 404, "no such path"),
        ("GET", "/../../etc/passwd", 404, "no such path"),
        ("GET", "/predict/", 404, "no such path"),
        ("GET", "/%00%ff", 404, "no such path"),
        ("GET", "/predict", 405, "does not allow this method"),
        ("DELETE", "/predict", 405, "does not allow this method"),
        ("POST", "/health", 405, "does not allow this method"),
        ("POST", "/predict", 415, "content type is missing"),
        ("BREW", "/", 405, "does not allow this method"),
    ],
)
def test_every_error_has_one_shape(server, method, path, status, words):
    reply = server.ask(method, path)
    assert reply.status == status and words in reply.error


def test_head_is_answered_without_a_body(server):
    for path in ("/health", "/"):
        reply, same = server.ask("HEAD", path), server.ask("GET", path)
        assert (reply.status, reply.text) == (200, "") and reply.headers["content-length"] == str(len(same.text))
    assert server.ask("OPTIONS", "/predict").status == 405  # a page of another site may not send texts


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"Content-Type": "text/plain"}, "content type is text/plain"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, "Send the header: Content-Type: application/json"),
        ({"Content-Type": "multipart/form-data; boundary=x"}, "content type is multipart/form-data"),
        ({"Content-Type": "application/json; charset=latin-1"}, "charset is not UTF-8"),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, "compressed"),
    ],
)
def test_another_kind_of_body_is_refused(server, headers, words):
    reply = server.predict({"text": "good"}, headers=headers)
    assert reply.status == 415 and words in reply.error
    assert server.predict({"text": "good"}, headers={"Content-Type": 'Application/JSON; charset="utf-8"'}).answers


def test_a_body_that_is_too_large_is_refused_and_the_connection_goes_on(server):
    connection = server.connect()
    reply = server.predict({"texts": ["good " * 100] * 1000}, connection=connection)
    assert reply.status == 413 and "100,000 bytes" in reply.error
    assert server.predict({"text": "good"}, connection=connection).answers


def test_a_bad_body_is_refused_and_the_connection_goes_on(server):
    connection = server.connect()
    reply = server.predict(b'{"texts": ["good", 5]}', connection=connection)
    assert (reply.status, reply.error) == (400, "texts[1]: must be a string.")
    assert server.predict({"text": "good"}, connection=connection).answers


def test_a_text_of_which_nothing_is_left_is_named():
    with served(without_special_tokens()) as server:
        reply = server.predict({"texts": ["good", "!!"]})
        assert reply.status == 400 and reply.error.startswith("texts[1]: the tokenizer leaves nothing of it")
        assert server.predict({"text": "!!"}).error.startswith("text: ")


def test_a_damaged_model_gives_500_and_no_text_is_logged(caplog):
    classifier = tiny_classifier()
    with served(classifier) as server:
        with torch.no_grad():
            classifier.model.classifier.weight.fill_(torch.nan)
        reply = server.predict({"texts": [f"good {SECRET}"]})
        assert reply.status == 500 and "texts[0]: the output of the model is not a number" in reply.error

        def fails(encoded):
            raise ValueError(SECRET)

        classifier.engine.logits = fails
        reply = server.predict({"texts": [SECRET]})
        assert reply.status == 500 and "log has the reason" in reply.error
        assert server.ask("GET", "/health").status == 503
        assert server.ask("GET", "/health").json["status"] == "failing"
    assert "ValueError" in caplog.text and SECRET not in caplog.text


def test_an_error_of_the_server_itself_has_the_same_shape(monkeypatch, caplog):
    def fails(answer, top_k):
        raise KeyError(SECRET)

    with served() as server:
        monkeypatch.setattr("classification.serving.http_app.answer_fields", fails)
        reply = server.predict({"text": "good"})
        assert reply.status == 500 and "the server failed" in reply.error
        monkeypatch.undo()
        assert server.predict({"text": "good"}).answers
    assert "KeyError" in caplog.text and SECRET not in caplog.text


# --------------------------------------------------------------------------------------------------- token and figures


def test_the_token_guards_what_knows_the_model():
    with served(token=TOKEN) as server:
        for headers in ({}, {"Authorization": TOKEN}, {"Authorization": f"Bearer {TOKEN}x"},
                        {"Authorization": "Bearer \xe9"}, {"Authorization": f"Basic {TOKEN}"}):  # fmt: skip
            reply = server.predict({"text": "good"}, headers=headers | {"Content-Type": "application/json"})
            assert reply.status == 401 and "Authorization: Bearer" in reply.error
            assert reply.headers["www-authenticate"] == "Bearer" and TOKEN not in reply.text
            assert server.ask("GET", "/metrics", headers=headers).status == 401
        assert server.ask("GET", "/health").json == {"status": "ready"}
        right = {"Authorization": f"bearer  {TOKEN}", "Content-Type": "application/json"}
        assert server.predict({"text": "good"}, headers=right).answers
        assert server.ask("GET", "/health", headers=right).json["labels"] == ["negative", "positive"]
        assert server.ask("GET", "/metrics", headers=right).status == 200
        described = server.ask("GET", "/openapi.json").json
        assert described["paths"]["/predict"]["post"]["security"] == [{"HTTPBearer": []}]
        assert "negative" not in server.ask("GET", "/").text + server.ask("GET", "/openapi.json").text


def test_health_says_which_model_it_is_and_not_where_it_lies():
    with served(dataclasses.replace(tiny_classifier(), name="/home/me/models/reviews")) as server:
        facts = server.ask("GET", "/health").json
        assert facts["model"] == "reviews" and facts["device"] == "cpu" and facts["status"] == "ready"
        assert facts["max_texts"] == 32 and "/home" not in json.dumps(facts)


def test_metrics_count_requests_texts_and_batches():
    with served() as server:
        server.predict({"texts": ["good", "bad film"]})
        server.predict({"text": 3})
        for path in ("/a", "/b", "/c"):
            server.ask("GET", path)
        assert server.metric('classifier_requests_total{path="/predict",status="200"}') == 1
        assert server.metric('classifier_requests_total{path="/predict",status="400"}') == 1
        assert server.metric('classifier_requests_total{path="other",status="404"}') == 3
        assert server.metric("classifier_texts_total") == 2 and server.metric("classifier_queue_texts") == 0
        assert server.metric("classifier_batch_tokens_sum") == 7 and server.metric("classifier_batch_texts_sum") == 2
        assert server.metric('classifier_request_seconds_count{path="/predict"}') == 2
        assert server.metric("classifier_model_seconds_total") > 0
        with served() as other:  # its figures are its own
            assert other.metric("classifier_texts_total") == 0


# --------------------------------------------------------------------------------------------------------------- queue


def test_a_full_queue_answers_429_and_recovers():
    classifier, engine = slow_classifier()
    with served(classifier, queue_texts=3) as server:
        hold(server.service.worker, engine)
        replies = []
        waiting = threading.Thread(target=lambda: replies.append(server.predict({"texts": ["good", "bad"]})))
        waiting.start()
        wait_until(lambda: server.service.worker.texts == 3)
        refused = server.predict({"text": "good"})
        assert refused.status == 429 and int(refused.headers["retry-after"]) >= 1 and "3 texts" in refused.error
        assert server.ask("GET", "/health").status == 200  # busy is not broken
        engine.gate.set()
        waiting.join(20)
        assert len(replies[0].answers) == 2 and server.predict({"text": "good"}).answers


def test_a_client_that_leaves_gives_its_place_back():
    classifier, engine = slow_classifier()
    with served(classifier, queue_texts=4) as server:
        worker = server.service.worker
        hold(worker, engine)
        body = b'{"texts": ["good", "bad", "film"]}'
        leaving = server.socket(head_of(len(body)), body)
        wait_until(lambda: worker.texts == 4)
        leaving.close()
        wait_until(lambda: worker.texts == 1)
        engine.gate.set()
        assert server.predict({"texts": ["good"] * 3}).answers
        assert engine.batches == [1, 3]  # the texts of the one who left were not computed
        assert server.metric('classifier_requests_total{path="/predict",status="499"}') == 1


def test_a_large_answer_is_the_same():
    names = [f"label {i}" for i in range(200)]
    classifier = tiny_classifier(infer_task(names), initializer_range=0.3)
    with served(classifier) as large:
        answers = large.predict({"texts": TEXTS}).answers
        assert np.abs(probabilities(answers) - expected(classifier, TEXTS)).max() <= 1e-6


def test_documents_in_windows_have_the_answers_of_predict():
    classifier = tiny_classifier(truncation=Truncation("window", 20), initializer_range=0.3)
    texts = [f"{'good ' * (40 * i)}bad film" for i in range(5)]
    with served(classifier, batch_tokens=100) as server:
        answers = server.predict({"texts": texts}).answers
        assert np.abs(probabilities(answers) - expected(classifier, texts)).max() <= 1e-6
        assert [answer["tokens"] for answer in answers] == [answer.tokens for answer in classifier(texts)]
