"""A real encoder behind the server: the same probabilities as predict.py, and in bf16 the same labels."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from helpers import ROOT
from served import served

from classification.inference.saved_classifier import load_saved
from classification.models.choice import ModelChoice

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(minilm, tmp_path_factory) -> str:
    """MiniLM with a head of random weights."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    torch.manual_seed(0)
    target = tmp_path_factory.mktemp("models") / "minilm"
    model = AutoModelForSequenceClassification.from_pretrained(minilm, num_labels=5)
    torch.nn.init.normal_(model.classifier.weight, std=1.0)
    model.save_pretrained(target)
    tokenizer = AutoTokenizer.from_pretrained(minilm)
    tokenizer.model_max_length = 128
    tokenizer.save_pretrained(target)
    return str(target)


@pytest.fixture(scope="module")
def texts() -> list[str]:
    with (ROOT / "data" / "reviews" / "test.csv").open(encoding="utf-8", newline="") as handle:
        return [row["text"] for row in csv.DictReader(handle)][:96]


@pytest.fixture(scope="module")
def exact(folder):
    return load_saved(ModelChoice(folder), precision="fp32")[0]


def matrix(answers: list[dict]) -> np.ndarray:
    return np.array([list(answer["probabilities"].values()) for answer in answers])


def test_fp32_probabilities_are_those_of_predict(exact, folder, texts):
    own = np.array([list(answer.probabilities.values()) for answer in exact(texts)])
    classifier, _ = load_saved(ModelChoice(folder), precision="fp32")
    with served(classifier, max_texts=96, queue_texts=96, max_characters=10**6, max_body_bytes=10**7) as server:
        together = matrix(server.predict({"texts": texts}).answers)
        alone = matrix([server.predict({"text": text}).answers[0] for text in texts[:24]])
    assert np.abs(together - own).max() <= 1e-6
    assert np.abs(alone - own[:24]).max() <= 1e-5


def test_bf16_labels_are_those_of_fp32(exact, folder, texts):
    classifier, _ = load_saved(ModelChoice(folder), precision="bf16")
    with served(classifier, max_texts=96, queue_texts=96, max_characters=10**6, max_body_bytes=10**7) as server:
        answers = server.predict({"texts": texts}).answers
    assert [answer["label"] for answer in answers] == [answer.label for answer in exact(texts)]
    assert np.abs(matrix(answers) - matrix_of(exact(texts))).max() < 0.2


def matrix_of(answers) -> np.ndarray:
    return np.array([list(answer.probabilities.values()) for answer in answers])
