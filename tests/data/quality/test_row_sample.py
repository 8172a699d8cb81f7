"""Checks that read words look at a seeded sample of many rows, and say so; all others look at every row."""

from __future__ import annotations

import pytest
from planted import by_kind, clean, encoded, near_copies, three_splits

from classification.data.quality import drop_repeats, inspect_corpus
from classification.data.quality.row_sample import RowSample


def checked(splits: dict, check_rows: int | None, seed: int = 0) -> dict:
    data, task = encoded(splits)
    return by_kind(
        inspect_corpus(
            data, task, split_off=False, has_imbalance_flag=False, check_rows=check_rows, seed=seed
        )
    )  # fmt: skip


@pytest.fixture
def splits():
    """20 near copies in train, one exact repeat and one leak that differs in case; a word that tells the label."""
    splits = three_splits()
    splits["train"] = near_copies(20) + splits["train"]
    splits["train"][-1] |= {key: splits["train"][-2][key] for key in ("text", "label")}
    splits["test"][0] |= {"text": splits["train"][-5]["text"].upper(), "label": splits["train"][-5]["label"]}
    for row in splits["train"]:
        row["text"] += " zebra" if row["label"] == "yes" else ""
    splits["test"][0]["text"] = splits["train"][-5]["text"].upper()
    return splits


def test_as_many_rows_as_there_are_is_no_sample(splits):
    assert checked(splits, 240) == checked(splits, None)
    assert ("sampled_checks", "train") not in checked(splits, None)


def test_exact_checks_see_every_row_and_the_others_a_sample(splits):
    whole, part = checked(splits, None), checked(splits, 120)
    for key in (("exact_duplicates", "train"), ("normalised_duplicates", "train, test")):
        assert whole[key] == part[key]
    near, some = whole["near_duplicates", "train"], part["near_duplicates", "train"]
    assert near.count == 20 and "20 of 240 rows of train repeat" in near.what
    # One of the 120 repeats a row outside the sample, whose words are known with its own.
    assert 0 < some.count < 20 and f"{some.count} of 121 sampled rows of train" in some.what
    assert set(some.ids) < set(near.ids)
    word = part["telltale_word", "train"]
    assert "in a sample of 120 rows of train" in word.what and word.count < whole["telltale_word", "train"].count
    texts = dict(zip(*(encoded(splits)[0]["train"][name][:] for name in ("id", "text")), strict=True))
    assert all("zebra" in texts[row_id] for row_id in word.ids)


def test_the_note_counts_the_rows_that_were_read(splits):
    note = checked(splits, 120)["sampled_checks", "train"]
    assert (note.severity, note.count) == ("note", 120)
    assert "looked for in 120 of 240 rows of train" in note.what and "--check_rows 240" in note.remedy


def test_no_rows_turn_off_the_checks_that_read_words(splits):
    found = checked(splits, 0)
    assert not {kind for kind, _ in found} & {"near_duplicates", "telltale_word"}
    assert found["exact_duplicates", "train"].count == 1
    assert "were not looked for" in found["sampled_checks", "train, validation, test"].what


def test_the_sample_follows_from_the_seed_alone():
    data, _ = encoded({"train": clean(200, 1)})
    first, same, other = (RowSample.draw(data, 50, seed).rows["train"].tolist() for seed in (1, 1, 2))
    assert first == same != other and first == sorted(set(first)) and len(first) == 50


def test_what_is_dropped_never_depends_on_a_sample(splits):
    data, _ = encoded({"train": near_copies(20)})
    assert len(drop_repeats(data, [], duplicates=True, leaked=False)["train"]) == 20
