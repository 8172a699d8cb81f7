"""Parts of train lie inside each other, and each class keeps its share in them."""

from __future__ import annotations

from collections import Counter

import pytest
from datasets import Dataset

from classification.data.nested_rows import NestedRows


def rows_with(labels, texts=None) -> Dataset:
    texts = texts or [f"text {i}" for i in range(len(labels))]
    return Dataset.from_dict({"id": [str(i) for i in range(len(labels))], "text": texts, "label": labels})


def test_each_part_lies_in_the_next_and_has_its_size():
    nested = NestedRows.of(rows_with([i % 3 for i in range(200)]), seed=1)
    parts = [set(nested.take(size)) for size in range(1, 201)]
    assert [len(part) for part in parts] == list(range(1, 201))
    assert all(small < large for small, large in zip(parts, parts[1:], strict=False))


@pytest.mark.parametrize("size", [20, 50, 100, 150])
def test_each_class_keeps_its_share_to_one_row(size):
    labels = [0] * 140 + [1] * 50 + [2] * 10
    part = NestedRows.of(rows_with(labels), seed=4).take(size)
    counts = Counter(labels[row] for row in part)
    for label, number in ((0, 140), (1, 50), (2, 10)):
        assert abs(counts[label] - number * size / 200) <= 1.5


def test_a_class_of_one_row_is_in_the_smallest_part_that_can_hold_all_classes():
    labels = [0] * 60 + [1] * 39 + [2]
    nested = NestedRows.of(rows_with(labels), seed=0)
    assert nested.fewest == 3
    assert {labels[row] for row in nested.take(3)} == {0, 1, 2}


def test_of_several_labels_each_has_a_row_in_every_part_that_can_hold_them():
    labels = [[1.0, float(i % 2), float(i == 37)] for i in range(80)]
    nested = NestedRows.of(rows_with(labels), seed=0)
    assert nested.fewest <= 3
    assert [any(labels[row][name] for row in nested.take(nested.fewest)) for name in range(3)] == [True] * 3


def test_numbers_need_no_row_each():
    nested = NestedRows.of(rows_with([i / 7 for i in range(50)]), seed=0)
    assert nested.fewest == 0 and len(nested.take(5)) == 5


def test_the_order_of_the_file_changes_nothing():
    labels = [i % 4 for i in range(60)]
    texts = [f"text {i}" for i in range(60)]
    one, other = rows_with(labels, texts), rows_with(labels[::-1], texts[::-1])
    chosen = [{data["text"][row] for row in NestedRows.of(data, seed=3).take(17)} for data in (one, other)]
    assert chosen[0] == chosen[1]


def test_another_seed_takes_other_rows():
    data = rows_with([i % 2 for i in range(60)])
    assert NestedRows.of(data, seed=1).take(10) != NestedRows.of(data, seed=2).take(10)


def test_equal_texts_stay_together():
    data = rows_with([0] * 40, [f"text {i // 2}" for i in range(40)])
    texts = [data["text"][row] for row in NestedRows.of(data, seed=5).take(21)]
    assert sum(count == 1 for count in Counter(texts).values()) <= 2
