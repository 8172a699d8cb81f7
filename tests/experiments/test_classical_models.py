"""Classical methods: each learns each kind of task, from train alone, and is scored like a model."""

from __future__ import annotations

import random

import numpy as np
import pytest
from corpus import BAD, FILLER, GOOD, splits_of
from scipy import sparse

from classification.data.labels import LabelSpace
from classification.data.multi_label import MultiLabel
from classification.data.regression import Regression
from classification.data.single_label import SingleLabel
from classification.data.tasks import infer_task
from classification.errors import UsageError
from classification.evaluation.split_metrics import score_labelled
from classification.experiments.bag_of_words import BagOfWords
from classification.experiments.classical_models import METHODS, Fitted, fit, log_count_ratio, reason_not_applicable

UGLY = ["ugly", "grim", "vile", "foul", "nasty"]
WORDS = (BAD, GOOD, UGLY)
TASKS: dict[str, LabelSpace] = {
    "two classes": SingleLabel(("bad", "good")),
    "three classes": SingleLabel(("bad", "good", "ugly")),
    "several labels": MultiLabel(("bad", "good", "ugly"), thresholds=(0.5,) * 3),
    "numbers": infer_task([0.0, 5.5, 10.0]),
}
TWO = TASKS["two classes"]
CASES = [(key, name) for name, task in TASKS.items() for key in METHODS if not reason_not_applicable(key, task)]
MEASURES = {SingleLabel: "accuracy", MultiLabel: "f1_micro", Regression: "pearson"}
LEARNING = [key for key in METHODS if key != "majority"]


def text_about(draw: random.Random, chosen: list[int]) -> str:
    """Filler, and three words of each chosen class."""
    words = draw.choices(FILLER, k=draw.randint(2, 8)) + [draw.choice(WORDS[i]) for i in chosen for _ in range(3)]
    draw.shuffle(words)
    return " ".join(words)


def planted(name: str, count: int, seed: int) -> list[dict]:
    """Rows whose words reveal the label; numbers are 0, 5.5 and 10 for bad, good and ugly."""
    draw, task = random.Random(seed), TASKS[name]
    rows = []
    for i in range(count):
        chosen = [i % min(3, task.num_labels)]
        label = task.names[chosen[0]]
        if name == "several labels":
            chosen = [k for k in range(3) if draw.random() < 0.4]
            label = [task.names[k] for k in chosen]
        elif name == "numbers":
            chosen = [i % 3]
            label = (0.0, 5.5, 10.0)[chosen[0]]
        rows.append({"text": text_about(draw, chosen), "label": task.encode(label)})
    return rows


def texts(rows: list[dict]) -> list[dict]:
    return [{name: value for name, value in row.items() if name != "label"} for row in rows]


def labels(rows: list[dict]) -> list:
    return [row["label"] for row in rows]


def learned(
    key: str, train: list[dict], test: list[dict], task: LabelSpace, seed: int = 0
) -> tuple[Fitted, np.ndarray]:
    """The method fitted on train, and its logits of test."""
    features = BagOfWords(splits_of(texts(train), test=texts(test)))
    fitted = fit(key, features, np.array(labels(train)), task, seed)
    return fitted, fitted.logits(features.counts("test"))


# ------------------------------------------------------------------------------------------------------------ learning


@pytest.mark.parametrize(("key", "name"), CASES)
def test_words_that_reveal_the_label_are_learned(key, name):
    task, train, test = TASKS[name], planted(name, 240, 1), planted(name, 60, 2)
    fitted, logits = learned(key, train, test, task)
    assert logits.shape == (60, task.num_labels) and logits.dtype == np.float64 and np.isfinite(logits).all()
    assert fitted.has_loss == (name == "numbers" or "svm" not in key)
    metrics = score_labelled(logits, labels(test), task)
    if key == "majority":
        assert len(np.unique(logits, axis=0)) == 1
        return
    assert metrics[MEASURES[type(task)]] > 0.8
    if fitted.has_loss and fitted.has_probabilities:
        _, blind = learned("majority", train, test, task)
        assert metrics["loss"] < 0.75 * score_labelled(blind, labels(test), task)["loss"]


def test_the_majority_method_predicts_shares_of_classes_and_the_mean_of_numbers():
    task = SingleLabel(("a", "b"))
    rows = [{"text": "word word", "label": label} for label in (0, 0, 0, 1)]
    _, logits = learned("majority", rows, rows[:1], task)
    np.testing.assert_allclose(task.probabilities(logits), [[0.75, 0.25]])
    numbers = infer_task([1.0, 2.5, 4.0])
    rows = [{"text": "word word", "label": numbers.encode(value)} for value in (1.0, 2.5, 4.0, 4.0)]
    _, logits = learned("majority", rows, rows[:1], numbers)
    assert numbers.decode(numbers.decide(logits)[0]) == "2.875"


def test_numbers_are_predicted_standardised():
    task = TASKS["numbers"]
    _, logits = learned("logistic_regression", planted("numbers", 240, 1), planted("numbers", 30, 2), task)
    expected = [task.encode(value) for value in (0.0, 5.5, 10.0)]
    np.testing.assert_allclose([logits[i::3, 0].mean() for i in range(3)], expected, atol=0.35)


def test_a_method_that_does_not_apply_to_numbers_gives_the_reason():
    for key in ("naive_bayes", "nb_svm"):
        assert "classes" in reason_not_applicable(key, TASKS["numbers"]) and reason_not_applicable(key, TWO) is None
    rows = planted("numbers", 10, 1)
    with pytest.raises(UsageError, match="Leave naive_bayes out"):
        learned("naive_bayes", rows, rows, TASKS["numbers"])


def test_the_log_count_ratio_of_four_rows_is_that_computed_by_hand():
    x = sparse.csr_matrix(np.array([[1.0, 0, 1], [1, 1, 0], [0, 1, 1], [0, 0, 1]]))
    # Positive rows have (2, 1, 1), with one more each (3, 2, 2) of 7; the others (0, 1, 2), so (1, 2, 3) of 6.
    ratio = log_count_ratio(x, np.array([True, True, False, False]))
    np.testing.assert_allclose(ratio, np.log([(3 / 7) / (1 / 6), (2 / 7) / (2 / 6), (2 / 7) / (3 / 6)]))


def test_each_of_many_classes_has_a_ratio_of_its_own():
    """Against the rest: the values of one class do not change if two others are swapped."""
    train, test, task = planted("three classes", 90, 1), planted("three classes", 9, 2), TASKS["three classes"]
    swapped = [row | {"label": {0: 0, 1: 2, 2: 1}[row["label"]]} for row in train]
    _, logits = learned("nb_svm", train, test, task)
    _, other = learned("nb_svm", swapped, test, task)
    np.testing.assert_allclose(other, logits[:, [0, 2, 1]], atol=1e-6)


def test_chinese_is_learned_by_the_character():
    draw = random.Random(0)
    rows = [
        {"text": "这部电影" + draw.choice((["很差", "难看"], ["很好", "精彩"])[i % 2]), "label": i % 2}
        for i in range(60)
    ]
    _, logits = learned("logistic_regression", rows[:40], rows[40:], TWO)
    assert (logits.argmax(axis=1) == labels(rows[40:])).all()


# ------------------------------------------------------------------------------------------------------- what is read


@pytest.mark.parametrize("key", METHODS)
def test_only_train_is_learned_from(key):
    train, test = planted("two classes", 40, 1), planted("two classes", 12, 2)
    other = [{"text": "unheard of words words words"}] * 9
    features = BagOfWords(splits_of(texts(train), test=texts(test), other=other))
    assert "words" not in features.terms and "good" in features.terms
    ids = np.array(labels(train))
    features.counts("other")
    fitted = fit(key, features, ids, TWO, 0)
    alone = BagOfWords(splits_of(texts(train), test=texts(test)[:5]))
    again = fit(key, alone, ids, TWO, 0)
    assert fitted.terms.tolist() == again.terms.tolist()
    logits = fitted.logits(features.counts("test"))
    np.testing.assert_allclose(again.logits(alone.counts("test")), logits[:5], rtol=1e-9)
    assert fitted.logits(features.counts("other")).shape == (9, 2)  # rows without a known word


@pytest.mark.parametrize("key", LEARNING)
def test_held_out_rows_are_not_learned_from(key):
    """The second half has flipped labels: each half teaches its own."""
    rows = planted("two classes", 240, 1)
    ids = np.array(labels(rows))
    features = BagOfWords(splits_of(texts(rows)))
    counts = features.counts("train")
    for half, taught in ((np.arange(120), ids), (np.arange(120, 240), 1 - ids)):
        logits = fit(key, features, taught[half], TWO, 0, rows=half).logits(counts)
        assert np.mean(logits.argmax(axis=1) == taught) > 0.8


@pytest.mark.parametrize(("key", "name"), [case for case in CASES if case[1] != "three classes"])
def test_the_same_seed_gives_the_same_logits(key, name):
    rows = planted(name, 40, 1)
    first, second = (learned(key, rows, rows, TASKS[name], seed=3)[1] for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("key", LEARNING)
def test_the_second_text_of_a_pair_is_read(key):
    """The first texts have the same words, but those of other rows."""
    rows, shuffled = planted("two classes", 240, 1), planted("two classes", 240, 3)
    random.Random(0).shuffle(shuffled)
    pairs = [
        {"text": b["text"], "text_pair": a["text"], "label": a["label"]} for a, b in zip(rows, shuffled, strict=True)
    ]
    _, logits = learned(key, pairs[:180], pairs[180:], TWO)
    assert np.mean(logits.argmax(axis=1) == labels(pairs[180:])) > 0.8


# ------------------------------------------------------------------------------------------------------- rare and few


@pytest.mark.parametrize("key", METHODS)
def test_a_class_that_train_declares_but_lacks_is_never_predicted(key):
    task = SingleLabel(("nobody", "bad", "nowhere", "good"))
    rows = [row | {"label": (1, 3)[row["label"]]} for row in planted("two classes", 60, 1)]
    _, logits = learned(key, rows, rows, task)
    probabilities = task.probabilities(logits)
    assert probabilities.shape == (60, 4) and (probabilities[:, [0, 2]] < 1e-5).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    if key != "majority":
        assert np.mean(task.decide(logits) == labels(rows)) > 0.9
    only = [row | {"label": 1} for row in rows]
    assert (task.decide(learned(key, only, rows, task)[1]) == 1).all()


@pytest.mark.parametrize("key", METHODS)
def test_a_label_of_no_row_or_of_every_row_is_predicted_for_none_or_for_all(key):
    task = MultiLabel(("never", "bad", "always", "good"), thresholds=(0.5,) * 4)
    rows = [
        row | {"label": [0.0, 1.0 - row["label"], 1.0, float(row["label"])]} for row in planted("two classes", 60, 1)
    ]
    _, logits = learned(key, rows, rows, task)
    decided, truth = task.decide(logits), np.array(labels(rows)) == 1
    assert np.isfinite(logits).all() and not decided[:, 0].any() and decided[:, 2].all()
    if key != "majority":
        assert (decided == truth).mean() > 0.9
    constant = [row | {"label": [0.0, 1.0, 1.0, 0.0]} for row in rows]
    assert (task.decide(learned(key, constant, rows, task)[1]) == [False, True, True, False]).all()
    one_varies = [row | {"label": [0.0, row["label"][1], 1.0, 0.0]} for row in rows]
    assert learned(key, one_varies, rows, task)[1].shape == (60, 4)


@pytest.mark.parametrize("key", METHODS)
def test_ten_rows_without_a_common_word_are_enough(key):
    rows = [{"text": f"one{i} two{i}", "label": i % 2} for i in range(10)]
    fitted, logits = learned(key, rows, rows, TWO)
    assert np.isfinite(logits).all() and fitted.size_bytes > 100


def test_the_size_includes_the_terms_that_a_method_reads():
    rows = planted("two classes", 60, 1)
    sizes = {key: learned(key, rows, rows, TWO)[0].size_bytes for key in METHODS}
    assert sizes["majority"] < min(sizes[key] for key in LEARNING)
    assert sizes["linear_svm"] < sizes["random_forest"]
