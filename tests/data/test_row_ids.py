"""Ids are kept as they are written; what cannot be kept is named in one line."""

from __future__ import annotations

import datetime

import pyarrow as pa
import pytest
from datasets import Dataset

from classification.data.row_ids import read_ids
from classification.errors import UsageError


def data_with(**columns) -> Dataset:
    return Dataset(pa.table({"text": ["a", "b", "c", "d"], **columns}))


AS_WRITTEN = [
    ["007", "1e5", "2020-06-01T10:00:00Z", "12345678901234567890"],
    [" a", "a ", "a", "A"],
    ["nan", "None", "null", "NA"],
    ["1.0", "1", "1.00", "é"],
]


@pytest.mark.parametrize("ids", AS_WRITTEN)
@pytest.mark.parametrize("given", ["id", None])
def test_strings_are_kept_as_they_are(ids, given, caplog):
    assert read_ids(data_with(id=ids), given, "train").to_pylist() == ids and not caplog.text


@pytest.mark.parametrize(
    ("values", "ids"),
    [
        (pa.array([3, 1, 2, -4]), ["3", "1", "2", "-4"]),
        (pa.array([2**64 - 1, 1, 2, 3], pa.uint64()), ["18446744073709551615", "1", "2", "3"]),
        (pa.array([1.0, 2.0, 3.0, 10.0]), ["1", "2", "3", "10"]),
        (pa.array([1.0, 2.5, 3.0, 4.0]), ["1.0", "2.5", "3.0", "4.0"]),
        (pa.array([b"u1", b"u2", b"u3", "é".encode()]), ["u1", "u2", "u3", "é"]),
        (pa.array(["x", "y", "z", "w"]).dictionary_encode(), ["x", "y", "z", "w"]),
        (pa.array([datetime.date(2020, 6, day) for day in (1, 2, 3, 4)]), [f"2020-06-0{day}" for day in (1, 2, 3, 4)]),
    ],
)
def test_other_values_become_strings(values, ids):
    assert read_ids(data_with(guid=values), None, "train").to_pylist() == ids


def test_a_repeated_id_is_named_and_all_ids_are_kept(caplog):
    ids = ["v1", "v2", "v2", "v3"]
    four = Dataset.from_dict({"id": [*ids, "v4"]})
    assert read_ids(four, None, "test").to_pylist() == [*ids, "v4"]
    assert "column 'id' of test 1 id repeats: v2 in 2 rows; all ids are kept as they are" in caplog.text


@pytest.mark.parametrize("gap", [None, "", " "])
def test_a_missing_id_becomes_the_number_of_its_row(gap, caplog):
    assert read_ids(data_with(id=["u", "v", gap, "w"]), None, "test").to_pylist() == ["u", "v", "test-2", "w"]
    assert "1 row has no id and is called test-2" in caplog.text


def test_whole_numbers_with_a_gap_are_still_whole(caplog):
    assert read_ids(data_with(id=[7.0, None, 9.0, 8.0]), None, "train").to_pylist() == ["7", "train-1", "9", "8"]


def test_a_complete_column_is_preferred_to_one_with_repeats(caplog):
    data = data_with(id=["a", "a", "b", "c"], idx=[5, 6, 7, 8])
    assert read_ids(data, None, "train").to_pylist() == ["5", "6", "7", "8"] and not caplog.text


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (["same"] * 4, "1 id repeats: same in 4 rows"),
        (["a", None, None, "b"], "2 rows have no id"),
        ([["a"], ["b"], ["c"], ["d"]], "its values cannot be ids"),
        ([b"\xff", b"\xfe", b"a", b"b"], "its values cannot be ids"),
    ],
)
def test_a_column_that_names_few_rows_is_not_used_and_the_reason_is_given(values, reason, caplog):
    assert read_ids(data_with(id=values), None, "train").to_pylist() == [f"train-{row}" for row in range(4)]
    assert f"the column 'id' of train does not give the ids ({reason}). They are train-0, train-1" in caplog.text


def test_rows_without_an_id_column_are_numbered():
    assert read_ids(data_with(), None, "validation").to_pylist() == [f"validation-{row}" for row in range(4)]


REFUSED = {
    "repeats": (["a", "b", "b", "b"], ["--id_column_name key: ids repeat in test: b in 3 rows", "leave the flag out"]),
    "gaps": (["a", None, "c", ""], ["2 rows of test have no id (test-1, test-3, counted from 0)", "Fill them"]),
    "lists": ([["a"], ["b"], ["c"], ["d"]], ["--id_column_name key: test has values that cannot be ids"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_named_column_must_name_every_row_once(case, caplog):
    values, words = REFUSED[case]
    with pytest.raises(UsageError) as refused:
        read_ids(data_with(key=values), "key", "test")
    assert all(word in str(refused.value) for word in words)
    assert read_ids(data_with(key=values), None, "test").to_pylist()[0] == "test-0"  # what the message advises


def test_a_column_that_is_nearly_called_id_is_named(caplog):
    caplog.set_level("INFO")
    assert read_ids(data_with(ID=["a", "b", "c", "d"]), None, "test").to_pylist()[:2] == ["test-0", "test-1"]
    assert "pass --id_column_name ID" in caplog.text


def test_the_split_without_the_named_column_is_named():
    with pytest.raises(UsageError, match="--id_column_name key: there is no such column in test"):
        read_ids(data_with(), "key", "test")
