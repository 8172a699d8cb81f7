"""An input unlike the training data gets one warning with both figures, one like it gets none."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from corpus import BAD, FILLER, GOOD

from classification.data.multi_label import MultiLabel
from classification.data.regression import Regression
from classification.data.single_label import SingleLabel
from classification.data.statistics_format import statistics_content
from classification.data.text_sums import TextSums, total
from classification.inference.classifier import Outputs
from classification.inference.data_statistics import DataStatistics, from_content
from classification.inference.input_drift import (
    DriftWatch,
    differences,
    percent,
    sums_of_answers,
)

ENGLISH = [
    "the film was not what we had hoped for, but they liked it",
    "i would like to return the shoes that i have bought from you",
    "what is the name of the river in the north of the country",
    "he said that this was one of the best days of his life",
    "can you tell me when the next train to the city is",
    "there is a problem with my order and no one has called me",
]
GERMAN = [
    "der Film war nicht so gut, aber wir haben ihn gesehen",
    "ich habe die Rechnung noch nicht, bitte schicken Sie sie mir",
    "wie ist der Name von dem Fluss im Norden",
]
RUSSIAN = ["это не очень хороший фильм, но мы были с друзьями", "как мне вернуть этот заказ"]
KEYBOARD = ["xq zzvk wprt mnbv", "qwrt plkj hgfd zxcv bnm", "jjkq wwx vvb"]


def sums_of(texts, *, tokens_per_word=1.2, unknown=0.0, classes=None) -> TextSums:
    lengths = [round(len(text.split()) * tokens_per_word) + 2 for text in texts]
    shares = [unknown] * len(texts)
    answered = len(texts) if classes else 0
    return TextSums.of(texts, full_lengths=lengths, unknown=shares, classes=classes, answered=answered)


def trained_on(sums: TextSums) -> DataStatistics:
    content = statistics_content(sums, rows=sums.rows, columns={}, pairs=False, languages=True)
    return from_content(content)


def rows(sentences, count: int, seed: int = 0) -> list[str]:
    generator = random.Random(seed)
    return [
        " ".join(generator.sample(text.split(), len(text.split()) - generator.randrange(3)))
        for text in generator.choices(sentences, k=count)
    ]


TRAIN = trained_on(sums_of(rows(ENGLISH, 400), classes={"refund": 48, "order": 352}))


def kinds(train: DataStatistics, sums: TextSums) -> list[str]:
    return [each.kind for each in differences(train, sums)]


@pytest.mark.parametrize("count", [1, 2, 5, 10, 49, 50, 500])
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_rows_of_the_same_kind_get_no_warning(count, seed):
    drawn = random.Random(seed).choices(["refund", "order"], [0.12, 0.88], k=count)
    classes = {name: drawn.count(name) for name in ("refund", "order")}
    assert differences(TRAIN, sums_of(rows(ENGLISH, count, seed), classes=classes)) == []


@pytest.mark.parametrize(
    ("texts", "kind", "figures"),
    [
        (
            rows(GERMAN, 60),
            "language German",
            ["language: ", "% German function words (train ", "% English ones (train "],
        ),
        (rows(RUSSIAN, 60), "script Cyrillic", ["script Cyrillic 100% (train 0%)"]),
        (["今天天气不好，但是我们还是去公园"] * 60, "script Han", ["script Han 100% (train 0%)"]),
        (["映画はとても良かったです"] * 60, "script Kana", ["script Kana"]),
        (rows(KEYBOARD, 60), "language English", ["language: 0% English function words (train "]),
        (["12 345", "😀 😀", "..."] * 20, "script no letters", ["texts without letters 100% (train 0%)"]),
        (rows([" ".join(ENGLISH)], 60), "lengths", ["median length", "tokens (train "]),
        (["the", "it", "no"] * 20, "lengths", ["median length 3 tokens (train "]),
        (rows(GERMAN, 30) + rows(ENGLISH, 60), "language German", ["German function words (train"]),
        (rows(RUSSIAN, 10) + rows(ENGLISH, 60), "script Cyrillic", ["script Cyrillic 14% (train 0%)"]),
    ],
    ids=["German", "Russian", "Chinese", "Japanese", "keyboard", "digits", "long", "short", "mixed", "some Russian"],
)
def test_what_differs_is_named_with_both_figures(texts, kind, figures):
    found = differences(TRAIN, sums_of(texts))
    assert kind in [each.kind for each in found]
    text = next(each.text for each in found if each.kind == kind)
    assert not [figure for figure in figures if figure not in text], text


@pytest.mark.parametrize("texts", [GERMAN[:3], RUSSIAN, ["今天天气不好"] * 3], ids=["German", "Russian", "Chinese"])
def test_three_rows_of_another_language_are_enough(texts):
    assert differences(TRAIN, sums_of(texts))


def test_one_row_in_another_language_of_the_same_script_is_too_little():
    assert not differences(TRAIN, sums_of(GERMAN[:1]))


@pytest.mark.parametrize(
    ("share", "count", "is_named"), [(0.142, 60, True), (0.142, 5, False), (0.6, 5, True), (0.02, 9000, False)]
)
def test_unknown_tokens_count_beyond_chance(share, count, is_named):
    found = differences(TRAIN, sums_of(rows(ENGLISH, count), unknown=share))
    assert ("unknown tokens" in [each.kind for each in found]) is is_named
    if is_named:
        assert f"unknown tokens {percent(share)} (train 0%)" in found[0].text


def test_one_long_text_of_odd_words_is_too_little():
    assert not [kind for kind in kinds(TRAIN, sums_of(["cable mouse laptop " * 200])) if kind.startswith("language")]
    assert [kind for kind in kinds(TRAIN, sums_of(["cable mouse laptop " * 200] * 9)) if kind.startswith("language")]


def test_a_tokenizer_with_many_unknown_tokens_in_train_needs_many_more():
    train = trained_on(sums_of(rows(ENGLISH, 400), unknown=0.2))
    assert not differences(train, sums_of(rows(ENGLISH, 400), unknown=0.3))
    assert kinds(train, sums_of(rows(ENGLISH, 400), unknown=0.7)) == ["unknown tokens"]


def test_words_that_fall_apart_are_named():
    found = differences(TRAIN, sums_of(rows(ENGLISH, 100), tokens_per_word=2.4))
    assert "token sizes" in [each.kind for each in found] and "characters per token (train" in found[-1].text


@pytest.mark.parametrize(
    ("refunds", "count", "is_named"),
    [(71, 100, True), (30, 100, False), (5, 5, False), (15, 20, True), (3500, 10_000, False), (4500, 10_000, True)],
)
def test_predicted_classes_count_where_they_are_far_from_train(refunds, count, is_named):
    sums = replace(sums_of(rows(ENGLISH, 60)), classes={"refund": refunds, "order": count - refunds}, answered=count)
    found = [each.text for each in differences(TRAIN, sums)]
    assert found == (
        [f"class 'refund' predicted for {percent(refunds / count)} of the rows (train 12%)"] if is_named else []
    )


def test_one_class_only_is_named_also_where_others_vanish():
    train = trained_on(sums_of(rows(ENGLISH, 400), classes=dict.fromkeys("abcd", 100)))
    sums = sums_of(rows(ENGLISH, 80), classes={"a": 80, "b": 0, "c": 0, "d": 0})
    assert differences(train, sums)[0].text == "class 'a' predicted for 100% of the rows (train 25%)"


def test_many_classes_on_few_rows_are_no_difference():
    names = [f"intent {i}" for i in range(150)]
    train = trained_on(sums_of(rows(ENGLISH, 300), classes=dict.fromkeys(names, 2)))
    assert not differences(train, sums_of(rows(ENGLISH, 30), classes=dict.fromkeys(names[:30], 1)))


def test_with_several_labels_the_largest_change_counts():
    train = trained_on(sums_of(rows(ENGLISH, 400), classes={"a": 300, "b": 300, "c": 20}))
    rest = sums_of(rows(ENGLISH, 200), classes={"a": 150, "b": 20, "c": 10})
    assert [each.text for each in differences(train, rest)] == ["class 'b' predicted for 10% of the rows (train 75%)"]
    assert not differences(train, sums_of(rows(ENGLISH, 200), classes={"a": 150, "b": 140, "c": 10}))


def test_a_task_without_classes_compares_the_texts_only():
    train = trained_on(sums_of(rows(ENGLISH, 400)))
    assert train.classes == {} and not differences(train, sums_of(rows(ENGLISH, 60), classes={"refund": 60}))


def test_hidden_languages_compare_the_rest():
    hidden = replace(TRAIN, function_words={})
    assert "script Cyrillic" in kinds(hidden, sums_of(rows(RUSSIAN, 60)))
    assert not [kind for kind in kinds(hidden, sums_of(rows(GERMAN, 60))) if kind.startswith("language")]


def test_a_model_for_two_languages_accepts_either():
    train = trained_on(sums_of(rows(ENGLISH, 200) + rows(RUSSIAN, 200)))
    mixed = sums_of(rows(ENGLISH, 195) + rows(RUSSIAN, 105))  # 65% Latin letters, where train has half
    assert not [kind for kind in kinds(train, mixed) if kind.startswith("script")]
    assert "script Cyrillic" in kinds(train, sums_of(rows(RUSSIAN, 300)))


@pytest.mark.parametrize("train", [DataStatistics(rows=3), replace(TRAIN, tokens={}, scripts={}, classes={})])
def test_statistics_without_some_figures_compare_the_others(train):
    assert not differences(train, sums_of(rows(ENGLISH, 60), classes={"x": 60}))


@pytest.mark.parametrize("sums", [TextSums(), sums_of([""]), sums_of(["", " ", "\x00"] * 3)])
def test_no_rows_and_empty_texts_are_no_error(sums):
    assert isinstance(differences(TRAIN, sums), list)


def test_a_small_share_is_not_shown_as_zero():
    assert (percent(0), percent(0.00001), percent(0.1423), percent(1)) == ("0%", "under 0.1%", "14%", "100%")


# --------------------------------------------------------------------------------------------------- sums of a part


SEVERAL = MultiLabel(("a", "b"), thresholds=(0.5, 0.5))


def outputs_of(logits) -> Outputs:
    count = len(logits)
    return Outputs(np.array(logits, np.float32), *np.full((2, count), 5), np.zeros(count, dtype=np.float32))


def test_rows_without_an_answer_count_as_texts_only():
    sums = sums_of_answers(
        SingleLabel(("a", "b")), ENGLISH[:3], None, outputs_of([[2, 0], [np.nan, 0], [0, 1]])
    )  # fmt: skip
    assert (sums.rows, sums.answered, dict(sums.classes)) == (3, 2, {"a": 1, "b": 1})


def test_several_labels_count_each_and_numbers_none():
    several = sums_of_answers(SEVERAL, ENGLISH[:2], None, outputs_of([[3, 3], [3, -3]]))
    assert dict(several.classes) == {"a": 2, "b": 1} and several.answered == 2
    assert sums_of_answers(Regression(("x",)), ENGLISH[:1], None, outputs_of([[3]])).classes == {}


def test_no_answers_at_all_are_no_error():
    assert sums_of_answers(SingleLabel(("a", "b")), [], None, outputs_of(np.zeros((0, 2)))).rows == 0
    assert sums_of_answers(SEVERAL, ["x"], ["y"], outputs_of([[np.inf, 0]])).answered == 0


# ----------------------------------------------------------------------------------------------------------- warnings


def test_one_warning_names_all_that_differs():
    sums = sums_of(rows(GERMAN, 60), unknown=0.3, classes={"refund": 60})
    (line,) = DriftWatch(TRAIN).at_end(sums)
    assert line.text.startswith("the input is unlike the training data: unknown tokens 30% (train 0%); ")
    assert "German" in line.text and "class 'refund' predicted for 100%" in line.text
    assert line.text.endswith(" The answers may be wrong.") and "\n" not in line.text


def test_the_first_rows_warn_early_and_the_same_is_not_said_twice():
    watch, first = DriftWatch(TRAIN), sums_of(rows(GERMAN, 60))
    (line,) = watch.after_first(first)
    assert line.text.startswith("the first 60 rows are unlike the training data: ")
    assert watch.at_end(total([first, first])) == []


def test_what_comes_later_is_said_at_the_end():
    watch = DriftWatch(TRAIN)
    assert watch.after_first(sums_of(rows(ENGLISH, 60))) == []
    (line,) = watch.at_end(total([sums_of(rows(ENGLISH, 60)), sums_of(rows(RUSSIAN, 60))]))
    assert "script Cyrillic 50% (train 0%)" in line.text


def test_first_rows_of_one_class_are_no_reason_to_warn():
    """A file may be sorted by class."""
    watch, first = DriftWatch(TRAIN), sums_of(rows(ENGLISH, 60), classes={"refund": 60, "order": 0})
    assert watch.after_first(first) == [] and watch.at_end(first) != []


def test_a_second_warning_needs_another_kind_of_writing():
    long = sums_of(rows([" ".join(ENGLISH)], 60))
    watch = DriftWatch(TRAIN)
    assert "median length" in watch.after_first(long)[0].text
    assert watch.at_end(replace(long, classes={"refund": 60}, answered=60)) == []
    (line,) = watch.at_end(total([long, sums_of(rows(RUSSIAN, 60))]))
    assert "script Cyrillic" in line.text
    assert watch.at_end(sums_of(rows(KEYBOARD, 60))) == []


def test_without_statistics_nothing_is_said():
    watch = DriftWatch(None)
    assert watch.after_first(sums_of(RUSSIAN * 50)) == [] == watch.at_end(sums_of(RUSSIAN * 50))


def test_rows_of_the_tests_own_corpus_are_like_themselves():
    texts = [" ".join(random.Random(i).choices([*GOOD, *BAD, *FILLER], k=8)) for i in range(300)]
    assert not differences(trained_on(sums_of(texts[:200])), sums_of(texts[200:]))
