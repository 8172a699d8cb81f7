"""`--unlabelled_file`: which of its texts are learned from, and what is refused."""

from __future__ import annotations

import pytest
from corpus import make_rows, splits_of, write_csv
from helpers import assert_refused

from classification.data.bad_rows import BadRows
from classification.data.columns import Columns
from classification.errors import UsageError
from classification.training.unlabelled_texts import read_texts_without_labels

TRAIN = [{"text": "a good film", "id": "t"}]
PAIRS = [{"text": "a good film", "text_pair": "was it?", "id": "t"}]


def read(tmp_path, rows: list[dict], train=TRAIN, policy="error", columns: dict | None = None, **splits):
    path = write_csv(tmp_path / "texts.csv", rows)
    return read_texts_without_labels(path, Columns(**columns or {}), splits_of(train, **splits), BadRows(policy), None)


def test_texts_of_validation_and_test_are_left_out_and_counted(tmp_path, caplog):
    """Also where only case, spaces, quotation marks or markup differ; what is in train stays."""
    caplog.set_level("INFO")
    rows = [{"text": text} for text in (
        "a good film", "A  dull film.", "a dull<br />film", "it was 'not' dull", "it was a book", "a bad room",
    )]  # fmt: skip
    validation = [{"text": "a dull film", "id": "v"}]
    test = [{"text": "it was not dull", "id": "x"}, {"text": "a dull film", "id": "y"}]
    kept = read(tmp_path, rows, validation=validation, test=test)
    assert kept["text"][:] == ["a good film", "it was a book", "a bad room"]
    assert "3 texts of unlabelled are left out, because they repeat 2 of validation and 3 of test" in caplog.text


def test_nothing_is_said_where_nothing_is_left_out(tmp_path, caplog):
    caplog.set_level("INFO")
    assert len(read(tmp_path, make_rows(5, 1), test=[{"text": "a book", "id": "x"}])) == 5
    assert "left out" not in caplog.text


def test_a_pair_repeats_a_pair_only_as_a_whole(tmp_path):
    rows = [{"text": "a", "text_pair": "b"}, {"text": "a", "text_pair": "c"}, {"text": "ab", "text_pair": "c"}]
    kept = read(tmp_path, rows, PAIRS, columns={"text": ("text", "text_pair")},
                test=[{"text": "A", "text_pair": "b.", "id": "x"}])  # fmt: skip
    assert list(zip(kept["text"][:], kept["text_pair"][:], strict=True)) == [("a", "c"), ("ab", "c")]


def test_labels_ids_and_other_columns_are_not_needed_and_labels_are_not_read(tmp_path):
    columns = {"text": ("body",), "label": "stars", "id": "key", "time": "day", "group": "user"}
    kept = read(tmp_path, [{"body": "a film", "stars": "nonsense"}, {"body": "a book", "stars": ""}], columns=columns)
    assert kept.column_names == ["text", "id"] and kept["id"][:] == ["unlabelled-0", "unlabelled-1"]


def test_rows_without_a_text_are_refused_or_dropped(tmp_path):
    rows = [{"text": "a film", "note": "x"}, {"text": " ", "note": "y"}]
    assert_refused(["--unlabelled_file", "1 row of unlabelled has null or blank text", "--on_bad_row drop"],
                   read, tmp_path, rows)  # fmt: skip
    assert read(tmp_path, rows, policy="drop")["text"][:] == ["a film"]


def test_what_cannot_be_used_is_refused_and_the_remedy_works(tmp_path):
    words = ["--unlabelled_file", "texts.csv", "in validation or test", "Give other texts"]
    with pytest.raises(UsageError) as refused:
        read(tmp_path, [{"text": "a book."}], test=[{"text": "a book", "id": "x"}])
    assert all(word in str(refused.value) for word in words)
    assert_refused(["single texts", "pairs", "--text_column_names"], read, tmp_path, [{"text": "a"}], PAIRS)
    assert_refused(["--unlabelled_file", "--text_column_names", "words"], read, tmp_path, [{"words": "a film"}])
    assert len(read(tmp_path, [{"words": "a film"}], columns={"text": ("words",)})) == 1


@pytest.mark.parametrize("kind", ["jsonl", "tsv", "parquet"])
def test_every_format_of_a_training_file_is_read(kind, tmp_path):
    from datasets import Dataset

    data, path = Dataset.from_list([{"text": "a film"}, {"text": "a book"}]), tmp_path / f"texts.{kind}"
    if kind == "tsv":
        path.write_text("text\na film\na book\n")
    else:
        (data.to_parquet if kind == "parquet" else data.to_json)(str(path))
    kept = read_texts_without_labels(str(path), Columns(), splits_of(TRAIN), BadRows(), None)
    assert kept["text"][:] == ["a film", "a book"]
