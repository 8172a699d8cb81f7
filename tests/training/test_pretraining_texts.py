"""Which texts are trained on: none of test, none twice, and no label is read."""

from __future__ import annotations

import pytest
from corpus import make_rows, write_csv
from helpers import assert_refused

from classification.data.columns import Columns
from classification.errors import UsageError
from classification.training import pretraining_texts
from classification.training.pretraining_texts import TextChoices, load_texts


@pytest.fixture
def files(tmp_path):
    """A function that writes each keyword's texts to a file, and returns `files` of TextChoices."""

    def write(**splits) -> dict[str, tuple[str, ...]]:
        return {
            split: (write_csv(tmp_path / f"{split}.csv", [{"text": text, "label": "?"} for text in texts]),)
            for split, texts in splits.items()
        }

    return write


def load(files, **changes):
    return load_texts(TextChoices(files, Columns(), **{"has_validation": False} | changes))


def test_texts_of_test_are_left_out_in_any_spelling_and_counted(files):
    texts = ["Good film.", "GOOD  film", "good <br /> film", "a bad film", "we"]
    loaded = load(files(train=texts, test=["good film", "Good film."]))
    assert loaded.train["text"] == ["a bad film", "we"]
    assert loaded.test_texts == 3 and loaded.repeats == 0
    lines = [line.text for line in loaded.summary() if line.topic == "left out"]
    assert lines[0].startswith("3 texts of test: 1 byte for byte, 2 more")
    nothing = load(files(train=["a"], test=["b"])).summary()
    assert [line.text for line in nothing if line.topic == "left out"] == ["nothing: no text of test is in the others"]


def test_a_text_is_kept_once(files):
    loaded = load(files(train=["a film", "A FILM", "a film", "a book"]))
    assert loaded.train["text"] == ["a film", "a book"] and loaded.repeats == 2 and loaded.test_texts == 0


def test_texts_of_validation_are_left_out_of_train_and_those_of_test_of_validation(files):
    loaded = load(files(train=["a", "b", "c", "d"], validation=["b", "c", "e"], test=["c", "d"]), has_validation=True)
    assert (loaded.train["text"], loaded.validation["text"]) == (["a"], ["b", "e"])
    assert (loaded.test_texts, loaded.repeats) == (3, 1)


def test_a_warning_says_that_texts_of_test_are_not_known(files):
    assert any("--test_file" in line.text for line in load(files(train=["a", "b"])).summary())


def test_files_are_joined_and_each_has_columns_of_its_own(tmp_path):
    first = write_csv(tmp_path / "a.csv", [{"text": "a film", "label": "x"}])
    second = write_csv(tmp_path / "b.csv", [{"review": "a book", "stars": "3"}, {"review": "a film", "stars": "1"}])
    loaded = load({"train": (first, second)})
    assert loaded.train["text"] == ["a film", "a book"] and loaded.repeats == 1


def test_no_label_is_read(tmp_path):
    """Labels of no form that a classifier could read do not matter."""
    texts = [{"text": f"film {i}", "label": "" if i % 2 else "[{'a'"} for i in range(4)]
    assert len(load({"train": (write_csv(tmp_path / "a.csv", texts),)}).train) == 4


def test_validation_is_a_seeded_draw_that_does_not_depend_on_the_order(tmp_path):
    rows = [{"text": row["text"] + f" {i}"} for i, row in enumerate(make_rows(100))]
    one = load({"train": (write_csv(tmp_path / "a.csv", rows),)}, has_validation=True)
    other = load({"train": (write_csv(tmp_path / "b.csv", rows[::-1]),)}, has_validation=True)
    assert sorted(one.validation["text"]) == sorted(other.validation["text"])
    assert len(one.validation) == 20 and len(one.train) == 80
    assert not set(one.train["text"]) & set(one.validation["text"])


def test_auto_takes_at_most_so_many_texts_for_validation(tmp_path, monkeypatch):
    assert pretraining_texts.LONGEST_AUTO == 1000
    monkeypatch.setattr(pretraining_texts, "LONGEST_AUTO", 30)
    files = {"train": (write_csv(tmp_path / "a.csv", [{"text": f"film {i}"} for i in range(400)]),)}
    assert len(load(files, has_validation=True).validation) == 30
    assert len(load(files, has_validation=True, fraction=0.2).validation) == 80


def test_a_sample_is_drawn_after_repeats_are_gone(files):
    loaded = load(files(train=["a", "A", "b", "c", "c"]), limits={"train": 2})
    assert len(loaded.train) == 2
    assert any("drawn from 3" in line.text for line in loaded.summary())


def test_texts_that_are_all_in_test_are_refused(files):
    words = ("--train_file", "every text of it is in test", "Give other texts")
    assert_refused(words, load, files(train=["a", "b"], test=["A", "b"]))


def test_one_text_alone_cannot_give_a_validation_part(files):
    with pytest.raises(UsageError, match="--eval_strategy no"):
        load(files(train=["a film"]), has_validation=True)
    assert len(load(files(train=["a film"])).train) == 1


def test_blank_texts_are_refused_or_dropped(files):
    texts = files(train=["a film", " ", "a book"])
    with pytest.raises(UsageError, match="null or blank text: ids train-1.*--on_bad_row drop"):
        load(texts)
    assert load(texts, on_bad_row="drop").train["text"] == ["a film", "a book"]


def test_a_pair_repeats_a_pair_only_as_a_whole(tmp_path):
    pairs = [("a", "b c"), ("a b", "c"), ("A", "b  c.")]
    rows = [{"text_a": first, "text_b": second} for first, second in pairs]
    train = load({"train": (write_csv(tmp_path / "p.csv", rows),)}).train
    assert list(zip(train["text"], train["text_pair"], strict=True)) == pairs[:2]


def test_pairs_and_single_texts_are_not_mixed(tmp_path):
    pairs = write_csv(tmp_path / "p.csv", [{"text_a": "a film", "text_b": "a book"}])
    single = write_csv(tmp_path / "s.csv", [{"text": "a room"}])
    with pytest.raises(UsageError, match="--text_column_delimiter"):
        load({"train": (pairs, single)})
    choices = TextChoices({"train": (pairs, single)}, Columns(delimiter=" "), has_validation=False)
    assert load_texts(choices).train["text"] == ["a film a book", "a room"]
