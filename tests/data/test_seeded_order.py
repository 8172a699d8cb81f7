"""Choices by a seeded hash: shares are kept, equal keys stay together, and row order changes nothing."""

from __future__ import annotations

import random

from classification.data.seeded_order import draw_rows, hashed_split


def texts_and_labels(count: int = 300) -> tuple[list[str], list[int]]:
    texts = [f"text {i // 2 if i < 60 else i}" for i in range(count)]  # the first 60 are 30 pairs of repeats
    return texts, [int(text.split()[1]) % 3 for text in texts]


def test_each_class_keeps_its_share_and_every_row_has_one_place():
    texts, labels = texts_and_labels()
    train, validation = hashed_split(texts, labels, 60, seed=42)
    assert sorted(train + validation) == list(range(300))
    counts = [sum(labels[row] == label for row in validation) for label in range(3)]
    assert all(abs(count - 20) <= 1 for count in counts)


def test_identical_texts_stay_on_one_side():
    texts, labels = texts_and_labels()
    train, validation = hashed_split(texts, labels, 60, seed=42)
    assert not {texts[row] for row in train} & {texts[row] for row in validation}


def test_the_split_does_not_depend_on_row_order():
    texts, labels = texts_and_labels()
    order = random.Random(1).sample(range(300), 300)
    _, validation = hashed_split(texts, labels, 60, seed=42)
    _, shuffled = hashed_split([texts[i] for i in order], [labels[i] for i in order], 60, seed=42)
    assert sorted(texts[row] for row in validation) == sorted(texts[order[row]] for row in shuffled)


def test_another_seed_gives_another_split():
    texts, labels = texts_and_labels()
    assert hashed_split(texts, labels, 60, seed=1)[1] != hashed_split(texts, labels, 60, seed=2)[1]


def test_a_class_of_two_gives_one_to_each_side():
    labels = [0] * 50 + [1] * 2
    _, validation = hashed_split([str(i) for i in range(52)], labels, 5, seed=42)
    assert sum(labels[row] for row in validation) == 1


def test_a_class_is_never_taken_whole():
    texts = [str(i) for i in range(24)]
    for labels in ([0] * 20 + [1] * 2 + [2, 3], [0] * 22 + [1] * 2):
        for seed in range(5):
            train, _ = hashed_split(texts, labels, 21, seed)
            assert {labels[row] for row in train} == set(labels)


def test_a_group_with_the_last_rows_of_a_class_is_not_taken_in_place_of_a_large_one():
    groups = [f"user {i // 20}" for i in range(200)] + ["small"] * 2  # the small group has all rows of class 2
    labels = [i % 2 for i in range(200)] + [2] * 2
    train, validation = hashed_split(groups, labels, 10, seed=42)
    assert {200, 201} <= set(train) and len(validation) == 20


def test_groups_larger_than_the_classes_shares_still_fill_validation(caplog):
    groups = [f"user {i // 20}" for i in range(200)]  # ten users of 20 rows, 10 rows wanted
    train, validation = hashed_split(groups, [i % 2 for i in range(200)], 10, seed=42)
    assert len(validation) == 20 and not {groups[i] for i in train} & {groups[i] for i in validation}
    assert "too large for every class to keep its share" in caplog.text


def test_a_draw_has_the_exact_size_and_the_classes_shares():
    labels = [0] * 70 + [1] * 20 + [2] * 10
    rows = draw_rows([str(i) for i in range(100)], labels, 33, seed=42)
    assert len(rows) == len(set(rows)) == 33 and rows == sorted(rows)
    assert [sum(labels[row] == label for row in rows) for label in range(3)] == [23, 7, 3]
