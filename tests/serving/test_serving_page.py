"""docs/serving.md tells the truth: its requests have its answers, its flags their defaults, its metrics exist."""

from __future__ import annotations

import dataclasses
import json
import re

import numpy as np
import pytest
import torch
from helpers import ROOT
from made_classifiers import tiny_classifier
from served import served

from classification.cli.server_flags import FLAGS, ServerOptions
from classification.data.tasks import infer_task
from classification.serving.http_app import ERRORS
from classification.serving.request_models import PredictRequest

PAGE = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
JSON_BLOCKS = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
ANSWER, ERROR, RAW_REQUEST, RAW_ANSWER = JSON_BLOCKS


def golden_classifier():
    """Three labels, and weights that are the same wherever they are made."""
    task = infer_task([["joy"], ["anger", "surprise"], []])
    classifier = tiny_classifier(dataclasses.replace(task, thresholds=(0.4, 0.5, 0.6)))
    with torch.no_grad():
        for i, weights in enumerate(classifier.model.parameters()):
            steps = torch.arange(weights.numel(), dtype=torch.float64) * (0.7 + 0.01 * i) + i
            weights.copy_((0.3 * torch.sin(steps)).reshape(weights.shape))
    return classifier


def test_the_request_of_the_page_has_the_answer_of_the_page():
    command = re.search(r"\$ curl (.*)", PAGE)[1]
    body = re.search(r"-d '(.*?)'", command)[1]
    with served() as server:
        answers = server.predict(body).answers
        for answer in answers:
            answer["probability"] = round(answer["probability"], 2)
            answer["probabilities"] = {name: round(value, 2) for name, value in answer["probabilities"].items()}
        assert {"answers": answers} == ANSWER
        assert server.predict({"texts": ["good", " "]}).json == ERROR


def test_every_field_status_and_default_of_the_page_is_true():
    fields = re.search(r"\| field of a request.*?\n\n", PAGE, re.DOTALL)[0]
    assert set(re.findall(r"`(\w+)`", fields)) == set(PredictRequest.model_fields)
    statuses = re.search(r"\| status \| when.*?\n\n", PAGE, re.DOTALL)[0]
    listed = {
        int(number) for row in statuses.strip().splitlines()[2:] for number in re.findall(r"\d{3}", row.split("|")[1])
    }
    assert listed == {*ERRORS, 404, 405}
    names = {flag.name for flag in FLAGS}
    assert {flag for flag in re.findall(r"--([a-z]+_[a-z_]+)", PAGE)} <= names
    defaults = ServerOptions("")
    for name, value in re.findall(r"`--(\w+) (\d+)`", statuses):
        assert getattr(defaults, name) == int(value)


def test_every_metric_of_the_page_is_there():
    with served() as server:
        server.predict({"text": "good"})
        text = server.ask("GET", "/metrics").text
    for name in re.findall(r"`(classifier_\w+)", PAGE):
        assert re.search(rf"^{name}(_bucket)?[ {{]", text, re.MULTILINE), name


# ------------------------------------------------------------------------ several labels on a server that knows softmax


def test_the_golden_request_to_a_server_that_applies_softmax():
    """`raw_scores` gives the logits; sigmoid and thresholds give the answer of our server, and softmax would not."""
    classifier = golden_classifier()
    logits = classifier.outputs([RAW_REQUEST["inputs"]]).logits[0].astype(float)
    assert RAW_REQUEST["raw_scores"] is True
    own = {name: score for name, score in zip(classifier.task.names, logits, strict=True)}
    assert {one["label"]: one["score"] for one in RAW_ANSWER} == pytest.approx(own, abs=1e-4)
    scores = [one["score"] for one in RAW_ANSWER]
    assert scores == sorted(scores, reverse=True)
    code: dict = {}
    exec(re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1], code)
    labels = code["labels_of"](RAW_ANSWER)
    with served(classifier) as server:
        answer = server.predict({"text": RAW_REQUEST["inputs"]}).answers[0]
    assert labels == answer["label"] == ["anger", "joy"] and f"`{json.dumps(labels)}`" in PAGE
    sigmoid = 1 / (1 + np.exp(-logits))
    assert list(answer["probabilities"].values()) == pytest.approx(sigmoid.tolist(), abs=1e-6)
    softmax = np.exp(logits) / np.exp(logits).sum()
    assert softmax[0] < code["thresholds"]["anger"] <= sigmoid[0]
    assert f"{softmax[0]:.2f} in place of {sigmoid[0]:.2f}" in PAGE
