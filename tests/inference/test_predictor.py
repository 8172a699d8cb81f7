"""Batches of rows with answers: bad rows, the thread that reads ahead, and errors that come at their row."""

from __future__ import annotations

import dataclasses
import threading

import numpy as np
import pytest
from made_classifiers import tiny_classifier, without_special_tokens
from made_streams import ListBatch, ListStream

from classification.errors import UsageError
from classification.inference.answer_columns import AnswerChoice
from classification.inference.predictor import Predictor, ahead
from classification.inference.row_texts import TextColumns

ROWS = [{"id": f"r{i}", "text": text} for i, text in enumerate(["good", "", "bad film", "a"])]


def predictor(on_bad_row="error", rows=ROWS, **more) -> Predictor:
    choice = AnswerChoice(has_errors=on_bad_row == "keep", **more)
    return Predictor(tiny_classifier(), "INPUT rows.csv", tuple(rows[0]), TextColumns(("text",)), choice, on_bad_row)


def values(predicted) -> list[dict]:
    return [{column.name: column.python_values() for column in one.columns} for one in predicted]


def test_a_bad_row_is_named_by_its_number_and_id_after_the_batches_before_it():
    batches = ListStream(ROWS[:1] * 2 + ROWS).batches()
    predicted = predictor().predict(batches)
    assert len(next(predicted).batch) == 2
    with pytest.raises(UsageError, match=r"INPUT rows.csv: row 4 \(id r1\): null or blank text\. Fix the input, or"):
        next(predicted)


def test_a_bad_row_is_kept_with_its_reason_or_left_out():
    batch = ListBatch(0, 0, {3: "line 5 is not JSON"}, ROWS)
    kept = next(predictor("keep").predict([batch]))
    assert kept.kept is None and kept.answered.tolist() == [0, 2]
    found = values([kept])[0]
    assert [value is None for value in found["prediction"]] == [False, True, False, True]
    assert found["error"] == [None, "null or blank text", None, "line 5 is not JSON"]
    left = next(predictor("drop").predict([batch]))
    assert (
        left.kept.tolist() == [0, 2]
        and len(values([left])[0]["prediction"]) == 2
        and left.texts == ["good", "bad film"]
    )


def test_a_batch_without_a_good_row_is_no_error():
    batch = ListBatch(0, 0, {}, [{"id": "a", "text": ""}, {"id": "b", "text": None}])
    assert values(predictor("keep").predict([batch]))[0]["prediction"] == [None, None]
    assert next(predictor("drop").predict([batch])).kept.tolist() == []


def test_rows_without_ids_are_named_by_their_number_only():
    rows = [{"text": "a"}, {"text": " "}]
    with pytest.raises(UsageError, match="row 2: null or blank text"):
        list(predictor(rows=rows).predict([ListBatch(0, 0, {}, rows)]))


def test_the_answers_do_not_depend_on_the_batches():
    rows = [{"id": str(i), "text": "good " * (i % 9 + 1)} for i in range(40)]
    one = values(predictor(rows=rows).predict(ListStream(rows, size=40).batches()))[0]["prob_positive"]
    several = values(predictor(rows=rows).predict(ListStream(rows, size=7).batches()))
    assert np.concatenate([batch["prob_positive"] for batch in several]) == pytest.approx(one, abs=1e-6)


def test_progress_counts_bad_rows_too():
    told = []
    list(predictor("keep").predict([ListBatch(0, 0, {}, ROWS)], told.append))
    assert sum(told) == len(ROWS)


# -------------------------------------------------------------------------------------------------------- reading ahead


def test_the_next_item_is_made_while_the_caller_works():
    started = threading.Event()

    def make_item(number: int) -> int:
        if number == 1:
            started.set()
        return number

    results = ahead(range(3), make_item)
    assert next(results) == 0 and started.wait(5)
    assert list(results) == [1, 2]


def test_an_error_comes_at_its_item_and_ends_the_thread():
    def refuse_two(number: int) -> int:
        if number == 2:
            raise ValueError("two")
        return number

    results, found = ahead(range(9), refuse_two), []
    with pytest.raises(ValueError, match="two"):
        for item in results:
            found.append(item)
    assert found == [0, 1]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("encoding")]


def test_at_most_one_item_is_made_ahead():
    made = []
    results = ahead(range(9), lambda number: made.append(number) or number)
    next(results)
    next(results)
    results.close()
    assert len(made) <= 3 and list(ahead([], str)) == []


def test_a_text_of_which_the_tokenizer_leaves_nothing_is_a_bad_row():
    rows = [{"text": "good"}, {"text": "!!"}, {"text": "bad film"}]
    made = dataclasses.replace(predictor("keep", rows), classifier=without_special_tokens())
    found = values(made.predict([ListBatch(0, 0, {}, rows)]))[0]
    assert found["error"] == [None, "the tokenizer leaves nothing of it", None]
    assert [value is None for value in found["prediction"]] == [False, True, False]
