"""Classical methods: each learns each kind of task, from train alone, and is scored as a model is."""

from __future__ import annotations

import random

import numpy as np
import pytest
from conftest import BAD, FILLER, GOOD, splits_of
from scipy import sparse

from classification.data.labels import MULTI_LABEL, REGRESSION, SINGLE_LABEL, LabelSpace
from classification.errors import UsageError
from classification.evaluation.decisions import decide, probabilities
from classification.evaluation.metrics import score_labelled
from classification.experiments.bag_of_words import Features, terms_of
from classification.experiments.classical_models import METHODS, Fitted, absent, fit, log_count_ratio

UGLY = ["ugly", "grim", "vile", "foul", "nasty"]
WORDS = (BAD, GOOD, UGLY)
TASKS = {
    "two classes": LabelSpace(SINGLE_LABEL, ("bad", "good")),
    "three classes": LabelSpace(SINGLE_LABEL, ("bad", "good", "ugly")),
    "several labels": LabelSpace(MULTI_LABEL, ("bad", "good", "ugly"), thresholds=(0.5,) * 3),
    "numbers": LabelSpace.from_train([0.0, 5.5, 10.0]),
}
CASES = [(key, task) for task, labels in TASKS.items() for key in METHODS if not absent(key, labels)]
HEADLINES = {SINGLE_LABEL: "accuracy", MULTI_LABEL: "f1_micro", REGRESSION: "pearson"}


def text_about(draw: random.Random, chosen: list[int]) -> str:
    """Filler, and three words of each chosen class."""
    words = draw.choices(FILLER, k=draw.randint(2, 8)) + [draw.choice(WORDS[i]) for i in chosen for _ in range(3)]
    draw.shuffle(words)
    return " ".join(words)


def planted(task: str, count: int, seed: int) -> list[dict]:
    """Rows whose words give the label away; numbers are 0, 5.5 and 10 for bad, good and ugly."""
    draw, labels = random.Random(seed), TASKS[task]
    rows = []
    for i in range(count):
        chosen = [i % min(3, labels.num_labels)]
        label = labels.names[chosen[0]]
        if labels.is_multi_label:
            chosen = [k for k in range(3) if draw.random() < 0.4]
            label = [labels.names[k] for k in chosen]
        elif labels.is_regression:
            chosen = [i % 3]
            label = (0.0, 5.5, 10.0)[chosen[0]]
        rows.append({"text": text_about(draw, chosen), "label": labels.encode(label)})
    return rows


def learnt(
    key: str, train: list[dict], test: list[dict], labels: LabelSpace, seed: int = 0
) -> tuple[Fitted, np.ndarray]:
    """The method fitted on train, and its logits of test."""
    features = Features(splits_of(texts(train), test=texts(test)))
    fitted = fit(key, features, np.array([row["label"] for row in train]), labels, seed)
    return fitted, fitted.logits(features.counts("test"))


def texts(rows: list[dict]) -> list[dict]:
    return [{name: value for name, value in row.items() if name != "label"} for row in rows]


@pytest.mark.parametrize("key, task", CASES)
def test_words_that_give_the_label_away_are_learnt(key, task):
    labels, train, test = TASKS[task], planted(task, 240, 1), planted(task, 60, 2)
    fitted, logits = learnt(key, train, test, labels)
    assert logits.shape == (60, labels.num_labels) and logits.dtype == np.float64 and np.isfinite(logits).all()
    figures = score_labelled(logits, [row["label"] for row in test], labels)
    if key == "majority":
        assert len(np.unique(logits, axis=0)) == 1
        return
    assert figures[HEADLINES[labels.problem_type]] > 0.8
    if fitted.has_probabilities:
        _, blind = learnt("majority", train, test, labels)
        assert figures["loss"] < 0.75 * score_labelled(blind, [row["label"] for row in test], labels)["loss"]


def test_a_class_has_its_share_in_a_blind_guess_and_a_number_its_mean():
    labels = LabelSpace(SINGLE_LABEL, ("a", "b"))
    rows = [{"text": "word word", "label": label} for label in (0, 0, 0, 1)]
    _, logits = learnt("majority", rows, rows[:1], labels)
    np.testing.assert_allclose(probabilities(logits, labels), [[0.75, 0.25]])
    numbers = LabelSpace.from_train([1.0, 2.5, 4.0])
    rows = [{"text": "word word", "label": numbers.encode(value)} for value in (1.0, 2.5, 4.0, 4.0)]
    _, logits = learnt("majority", rows, rows[:1], numbers)
    assert numbers.decode(decide(logits, numbers)[0]) == "2.875"


def test_numbers_come_out_standardised():
    labels = TASKS["numbers"]
    _, logits = learnt("logistic_regression", planted("numbers", 240, 1), planted("numbers", 30, 2), labels)
    expected = [labels.encode(value) for value in (0.0, 5.5, 10.0)]
    np.testing.assert_allclose([logits[i::3, 0].mean() for i in range(3)], expected, atol=0.35)


def test_what_has_no_meaning_for_numbers_says_so():
    for key in ("naive_bayes", "nb_svm"):
        assert "classes" in absent(key, TASKS["numbers"]) and absent(key, TASKS["two classes"]) is None
    rows = planted("numbers", 10, 1)
    with pytest.raises(UsageError, match="Leave naive_bayes out"):
        learnt("naive_bayes", rows, rows, TASKS["numbers"])


def test_the_ratio_of_four_rows_is_that_worked_out_by_hand():
    x = sparse.csr_matrix(np.array([[1.0, 0, 1], [1, 1, 0], [0, 1, 1], [0, 0, 1]]))
    # Positive rows have (2, 1, 1), with one more each (3, 2, 2) of 7; the others (0, 1, 2), so (1, 2, 3) of 6.
    ratio = log_count_ratio(x, np.array([True, True, False, False]))
    np.testing.assert_allclose(ratio, np.log([(3 / 7) / (1 / 6), (2 / 7) / (2 / 6), (2 / 7) / (3 / 6)]))


def test_each_class_of_many_has_a_ratio_of_its_own():
    """Against the rest: the values of one class do not change where the others change places."""
    train, test, labels = planted("three classes", 90, 1), planted("three classes", 9, 2), TASKS["three classes"]
    swapped = [row | {"label": {0: 0, 1: 2, 2: 1}[row["label"]]} for row in train]
    _, logits = learnt("nb_svm", train, test, labels)
    _, other = learnt("nb_svm", swapped, test, labels)
    np.testing.assert_allclose(other, logits[:, [0, 2, 1]], atol=1e-6)


@pytest.mark.parametrize("key", METHODS)
def test_only_train_is_learnt_from(key):
    train, test = planted("two classes", 40, 1), planted("two classes", 12, 2)
    features = Features(splits_of(texts(train), test=texts(test), other=[{"text": "unheard of words words words"}] * 9))
    assert "words" not in features.terms and "good" in features.terms
    labels, ids = TASKS["two classes"], np.array([row["label"] for row in train])
    features.counts("other")
    fitted = fit(key, features, ids, labels, 0)
    alone = Features(splits_of(texts(train), test=texts(test)[:5]))
    again = fit(key, alone, ids, labels, 0)
    assert fitted.terms.tolist() == again.terms.tolist()
    logits = fitted.logits(features.counts("test"))
    np.testing.assert_allclose(again.logits(alone.counts("test")), logits[:5], rtol=1e-9)
    assert fitted.logits(features.counts("other")).shape == (9, 2)  # rows without a known word


@pytest.mark.parametrize("key", [key for key in METHODS if key != "majority"])
def test_rows_that_are_held_out_are_not_learnt_from(key):
    """The second half has the labels the wrong way round: each half teaches its own."""
    rows, labels = planted("two classes", 240, 1), TASKS["two classes"]
    ids = np.array([row["label"] for row in rows])
    features = Features(splits_of(texts(rows)))
    counts = features.counts("train")
    for half, taught in ((np.arange(120), ids), (np.arange(120, 240), 1 - ids)):
        logits = fit(key, features, taught[half], labels, 0, rows=half).logits(counts)
        assert np.mean(logits.argmax(axis=1) == taught) > 0.8


@pytest.mark.parametrize("task", ["two classes", "several labels", "numbers"])
@pytest.mark.parametrize("key", METHODS)
def test_one_seed_gives_one_answer(key, task):
    labels = TASKS[task]
    if absent(key, labels):
        return
    rows = planted(task, 40, 1)
    first, second = (learnt(key, rows, rows, labels, seed=3)[1] for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("key", METHODS)
def test_a_class_that_train_declares_and_lacks_is_never_given(key):
    labels = LabelSpace(SINGLE_LABEL, ("nobody", "bad", "nowhere", "good"))
    rows = [row | {"label": (1, 3)[row["label"]]} for row in planted("two classes", 60, 1)]
    _, logits = learnt(key, rows, rows, labels)
    scores = probabilities(logits, labels)
    assert scores.shape == (60, 4) and (scores[:, [0, 2]] < 1e-5).all()
    np.testing.assert_allclose(scores.sum(axis=1), 1)
    if key != "majority":
        assert np.mean(decide(logits, labels) == [row["label"] for row in rows]) > 0.9
    only = [row | {"label": 1} for row in rows]
    assert (decide(learnt(key, only, rows, labels)[1], labels) == 1).all()


@pytest.mark.parametrize("key", METHODS)
def test_a_label_that_no_row_or_every_row_has_is_given_to_none_or_to_all(key):
    labels = LabelSpace(MULTI_LABEL, ("never", "bad", "always", "good"), thresholds=(0.5,) * 4)
    rows = [
        row | {"label": [0.0, 1.0 - row["label"], 1.0, float(row["label"])]} for row in planted("two classes", 60, 1)
    ]
    _, logits = learnt(key, rows, rows, labels)
    decided, truth = decide(logits, labels), np.array([row["label"] for row in rows]) == 1
    assert np.isfinite(logits).all() and not decided[:, 0].any() and decided[:, 2].all()
    if key != "majority":
        assert (decided == truth).mean() > 0.9
    constant = [row | {"label": [0.0, 1.0, 1.0, 0.0]} for row in rows]
    assert (decide(learnt(key, constant, rows, labels)[1], labels) == [False, True, True, False]).all()
    one = [row | {"label": [0.0, row["label"][1], 1.0, 0.0]} for row in rows]  # one label alone varies
    assert learnt(key, one, rows, labels)[1].shape == (60, 4)


@pytest.mark.parametrize("key", [key for key in METHODS if key != "majority"])
def test_the_second_text_of_a_pair_decides(key):
    """The first texts have the same words, but of the other rows."""
    rows, shuffled = planted("two classes", 240, 1), planted("two classes", 240, 3)
    random.Random(0).shuffle(shuffled)
    pairs = [
        {"text": b["text"], "text_pair": a["text"], "label": a["label"]} for a, b in zip(rows, shuffled, strict=True)
    ]
    _, logits = learnt(key, pairs[:180], pairs[180:], TASKS["two classes"])
    assert np.mean(logits.argmax(axis=1) == [row["label"] for row in pairs[180:]]) > 0.8


def test_the_words_of_two_texts_are_different_terms():
    assert set(terms_of(("good film", "good book"))) == {
        "good", "film", "good film", "2|good", "2|book", "2|good book",
    }  # fmt: skip


def test_scripts_without_spaces_are_read_by_the_character():
    assert terms_of(("这部3电影 film",)) == [
        "这",
        "部",
        "3",
        "电",
        "影",
        "film",
        "这 部",
        "部 3",
        "3 电",
        "电 影",
        "影 film",
    ]
    assert terms_of(("ดีมาก",))[:3] == ["ด", "ี", "ม"]
    assert terms_of(("とても",))[:3] == ["と", "て", "も"]
    assert terms_of(("अच्छी थी।",)) == ["अच्छी", "थी", "अच्छी थी"]  # words keep their vowel signs
    draw, labels = random.Random(0), TASKS["two classes"]
    rows = [
        {"text": "这部电影" + draw.choice((["很差", "难看"], ["很好", "精彩"])[i % 2]), "label": i % 2}
        for i in range(60)
    ]
    _, logits = learnt("logistic_regression", rows[:40], rows[40:], labels)
    assert (logits.argmax(axis=1) == [row["label"] for row in rows[40:]]).all()


@pytest.mark.parametrize("key", METHODS)
def test_ten_rows_without_a_common_word_do(key):
    rows = [{"text": f"one{i} two{i}", "label": i % 2} for i in range(10)]
    fitted, logits = learnt(key, rows, rows, TASKS["two classes"])
    assert np.isfinite(logits).all() and fitted.size_bytes > 100


def test_a_word_of_one_row_is_left_out_where_others_have_company():
    features = Features(splits_of([{"text": "good film"}, {"text": "good book"}]))
    assert features.terms.tolist() == ["good"]


def test_texts_without_a_word_are_refused():
    with pytest.raises(UsageError, match="--text_column_names"):
        Features(splits_of([{"text": "..."}, {"text": "?!"}]))


def test_topics_are_made_of_words_that_not_every_row_has():
    rows = [{"text": "the film"}, {"text": "the film"}, {"text": "the book"}, {"text": "the book"}]
    features = Features(splits_of(rows))
    named = lambda *how: features.terms[features.frequent_words(*how)].tolist()  # noqa: E731
    assert named(9, 1.0) == ["book", "film", "the"] and named(1, 1.0) == ["the"] and named(0, 1.0) == []
    assert named(9, 0.5) == ["book", "film"] and named(9, 0.1) == ["book", "film", "the"]


def test_size_counts_the_terms_that_a_method_reads():
    rows = planted("two classes", 60, 1)
    sizes = {key: learnt(key, rows, rows, TASKS["two classes"])[0].size_bytes for key in METHODS}
    assert sizes["majority"] < min(sizes[key] for key in METHODS if key != "majority")
    assert sizes["linear_svm"] < sizes["random_forest"]
