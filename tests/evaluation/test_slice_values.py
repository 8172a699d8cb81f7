"""Columns become few groups: bands of numbers, the largest values and one for all others, and one for missing cells."""

from __future__ import annotations

import numpy as np
import pytest

from classification.evaluation.slice_values import MAX_VALUES, band_numbers, group_values


def groups(cells) -> dict[str, int]:
    """Name of each group -> number of its rows."""
    names, places = group_values(cells)
    counts = np.bincount(places, minlength=len(names)).tolist()
    return dict(zip(names, counts, strict=True))


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["b", "a", "b"], {"a": 1, "b": 2}),
        (["a", "", "  ", "a "], {"(missing)": 2, "a": 2}),
        (["", ""], {"(missing)": 2}),
        (["1", "2", "1"], {"1": 2, "2": 1}),
        (["(missing)", ""], {'"(missing)"': 1, "(missing)": 1}),
        (["other (3 values)", "x"], {'"other (3 values)"': 1, "x": 1}),
        (["東京", "مرحبا", "=1+1"], {"東京": 1, "مرحبا": 1, "=1+1": 1}),
        (["nan", "NA", "None"], {"nan": 1, "NA": 1, "None": 1}),
        ([], {}),
    ],
    ids=["values", "blanks", "all blank", "few numbers", "the word missing", "the word other", "scripts", "na", "none"],
)
def test_every_row_is_in_one_group(cells, expected):
    assert groups(cells) == expected


def test_of_many_values_the_largest_stay_and_the_others_are_one():
    cells = [f"user {i}" for i in range(60)] + ["user 7"] * 9 + ["user 50"] * 3 + [""] * 5
    found = groups(cells)
    assert len(found) == MAX_VALUES + 2
    assert found["user 7"] == 10 and found["user 50"] == 4 and found["(missing)"] == 5
    assert found["other (40 values)"] == 40 and sum(found.values()) == len(cells)


def test_many_numbers_become_bands_of_equally_many_rows_with_numbers_as_written():
    found = groups([f"{i}.50" for i in range(100)] + ["", ""])
    assert list(found) == ["0.50 to 19.50", "20.50 to 39.50", "40.50 to 59.50", "60.50 to 79.50", "80.50 to 99.50",
                           "(missing)"]  # fmt: skip
    assert list(found.values()) == [20] * 5 + [2]


@pytest.mark.parametrize("cells", [[f"{i:03}-x" for i in range(50)], [*map(str, range(50)), "unknown"]])
def test_numbers_among_words_are_values(cells):
    assert any(name.startswith("other (") for name in groups(cells))


def test_bands_keep_equal_numbers_together_and_have_a_few_rows():
    numbers = np.array([1] * 50 + [2] * 3 + [3] * 40 + [9] * 2)
    bands, places = band_numbers(numbers)
    assert np.bincount(places).min() >= 5
    assert all(len({places[i] for i in np.flatnonzero(numbers == value)}) == 1 for value in (1, 2, 3, 9))
    assert bands[0][0] == 1 and bands[-1][1] == 9


@pytest.mark.parametrize(("count", "most"), [(1, 1), (9, 1), (10, 2), (14, 2), (25, 5), (1000, 5)])
def test_few_rows_make_few_bands(count, most):
    bands, places = band_numbers(np.arange(count))
    assert len(bands) <= most and places.max() == len(bands) - 1
    assert len(bands) == most or count in (10, 14)


def test_one_length_for_all_is_one_band():
    assert band_numbers(np.full(80, 7))[0] == [(7, 7)]
