"""Rows without a text or label are refused by id, dropped, or reported, and never lost in silence."""

from __future__ import annotations

import pyarrow as pa
import pytest
from corpus import make_rows, splits_of
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from classification.data.bad_rows import NO_LABEL, BadRows, blank_texts, drop_bad_rows, is_blank
from classification.data.columns import Columns, standardise_columns
from classification.data.label_cells import RawLabels
from classification.errors import UsageError


@pytest.fixture
def broken():
    rows = make_rows(8)
    rows[1]["text"], rows[2]["text"], rows[3]["text"], rows[4]["label"] = None, "  ", "\u200b", " "
    return splits_of(rows, test=[row | {"label": None} for row in make_rows(4)])


def test_bad_rows_are_refused_by_id(broken):
    with pytest.raises(
        UsageError, match="3 rows of train have null or blank text: ids r0-1, r0-2, r0-3. Fix the file, or"
    ):
        standardise_columns(broken, Columns())


def test_bad_rows_are_dropped_with_a_warning_and_a_note(broken, caplog):
    bad_rows = BadRows("drop")
    splits, *_ = standardise_columns(broken, Columns(), bad_rows)
    assert splits["train"]["id"][:] == ["r0-0", "r0-5", "r0-6", "r0-7"]
    assert "dropped 3 rows of train with null or blank text (--on_bad_row drop)" in caplog.text
    assert [(f.kind, f.severity, f.count, f.ids) for f in bad_rows.findings] == [
        ("blank_text", "note", 3, ("r0-1", "r0-2", "r0-3")),
        ("no_label", "note", 1, ("r0-4",)),
    ]


def test_reported_rows_are_errors_among_the_findings(broken, caplog):
    bad_rows = BadRows("report")
    splits, *_ = standardise_columns(broken, Columns(), bad_rows)
    assert len(splits["train"]) == 4 and not caplog.text
    assert [finding.severity for finding in bad_rows.findings] == ["error", "error"]
    assert "1 row of train has no label" in str(bad_rows.findings[1])


def test_a_test_row_needs_no_label(broken):
    assert len(standardise_columns(broken, Columns(), BadRows("drop"))[0]["test"]) == 4


def test_rows_without_group_or_time_are_bad():
    rows = [row | {"user": "u" * (i > 0), "date": i if i else None} for i, row in enumerate(make_rows(4))]
    bad_rows = BadRows("drop")
    splits, *_ = standardise_columns(splits_of(rows), Columns(group="user", time="date"), bad_rows)
    assert len(splits["train"]) == 3
    assert [finding.kind for finding in bad_rows.findings] == ["no_group", "no_time"]


def test_a_split_without_any_usable_row_is_refused():
    with pytest.raises(UsageError, match="No rows of train are left"):
        standardise_columns(splits_of([{"text": " ", "label": "a"}]), Columns(), BadRows("drop"))


def test_no_bad_rows_are_no_finding():
    bad_rows = BadRows("error")
    bad_rows.handle([], NO_LABEL, "train")
    assert bad_rows.findings == []


@pytest.mark.parametrize("text", [None, "", " \n\t", "\u200b", "\u200e\u00a0", "\ufeff"])
def test_invisible_texts_are_blank(text):
    assert is_blank(text)


@pytest.mark.parametrize("text", ["a", " . ", "好", "\u200bx", "👍"])
def test_visible_texts_are_not_blank(text):
    assert not is_blank(text)


def test_labels_of_two_types_become_strings():
    assert RawLabels([1, "two", None]).as_array().to_pylist() == ["1", "two", None]
    assert RawLabels([1, 10**30]).as_array().to_pylist() == ["1", str(10**30)]


def test_rows_that_stay_keep_their_types():
    kinds = {"text": pa.large_string(), "label": pa.list_(pa.string()), "id": pa.string()}
    columns = {"id": ["a", "b", "c"], "text": ["x", " ", "z"], "label": [["p"], [], ["q", "p"]]}
    data = Dataset(pa.table({name: pa.array(values, kinds[name]) for name, values in columns.items()}))
    kept = drop_bad_rows(data, "train", BadRows("drop"))
    assert kept[:] == {"id": ["a", "c"], "text": ["x", "z"], "label": [["p"], ["q", "p"]]}
    assert kept.features == data.features and drop_bad_rows(kept, "train", BadRows()) is kept


@given(st.lists(st.none() | st.text(alphabet="a .\u200b\u00a0好👍\t", max_size=3), min_size=1, max_size=8))
@settings(max_examples=40, deadline=None)
def test_blank_texts_are_found_as_one_by_one(texts):
    column = pa.chunked_array([pa.array(texts, pa.string())])
    assert blank_texts(column).tolist() == [is_blank(text) for text in texts]


@pytest.mark.parametrize(
    ("row", "columns", "words"),
    [
        ({"text": " ", "label": "a"}, Columns(), "--text_column_names: 2 rows of train have null or blank text"),
        ({"text": "x", "label": ""}, Columns(), "--label_column_name: 2 rows of train have no label"),
        ({"text": "x", "label": ""}, Columns(label_delimiter="|"), "--label_column_name: 2 rows of train have no"),
        ({"text": "x", "label": "a", "g": ""}, Columns(group="g"), "--validation_group_column: 2 rows of train have"),
    ],
)
def test_dropping_rows_is_not_advised_where_none_would_be_left(row, columns, words):
    for policy in ("error", "report"):
        with pytest.raises(UsageError, match=f"{words}.*Name another column") as refused:
            standardise_columns(splits_of([row, row]), columns, BadRows(policy))
        assert "on_bad_row" not in str(refused.value)
    with pytest.raises(UsageError, match="^--on_bad_row drop: No rows of train are left"):
        standardise_columns(splits_of([row, row]), columns, BadRows("drop"))
