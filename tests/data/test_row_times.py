"""Times and groups, by which validation is split off."""

from __future__ import annotations

import pyarrow as pa
import pytest
from corpus import splits_of
from datasets import Dataset

from classification.data.row_times import read_groups, read_times
from classification.errors import UsageError

IDS = pa.chunked_array([["u1", "u2", "u3", "u4"]])


def test_times_are_numbers_or_dates():
    dates = ["2024-01-01T00:00:00Z", "2024-01-01T02:00:00+02:00", "2024-01-01", None]
    data = splits_of([{"date": date, "number": i, "word": "x"} for i, date in enumerate(dates)])["train"]
    first = read_times(data, "date", IDS).to_pylist()
    assert first[0] == first[1] == first[2] == 1704067200.0 and first[3] is None
    assert read_times(data, "number", IDS).to_pylist() == [0.0, 1.0, 2.0, 3.0]


@pytest.mark.parametrize("value", ["x", "3,5", "1_000", "31.01.2024", "nan"])
def test_a_time_that_is_none_is_refused_by_the_id_of_its_row(value):
    data = Dataset.from_dict({"time": ["1", "2", value, "4"]})
    with pytest.raises(UsageError, match="--time_column time: the row with the id u[13] has .*2024-01-31"):
        read_times(data, "time", IDS)


def test_groups_are_strings_and_blank_ones_are_missing():
    data = Dataset.from_dict({"user": [1, 2, None, 1], "name": ["a", " ", "", "nan"]})
    assert read_groups(data, "user").to_pylist() == ["1", "2", None, "1"]
    assert read_groups(data, "name").to_pylist() == ["a", None, None, "nan"]
