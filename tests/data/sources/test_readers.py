"""Every source gives the same rows: files, folders and the layout of the Hub."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from corpus import hub_folder, make_rows, write_csv
from datasets import Dataset, DatasetDict, Features, Value

from classification.data.columns import Columns, standardise_columns
from classification.data.corpus import Source
from classification.data.label_columns import encode_labels
from classification.data.label_hints import LabelHints
from classification.data.sources.readers import read_splits
from classification.data.tasks import infer_task
from classification.errors import UsageError


def write_source(kind: str, rows: list[dict], folder) -> Source:
    """Write `rows` as `kind`."""
    data = Dataset.from_list(rows)
    path = folder / f"data.{kind}"
    if kind == "csv":
        write_csv(path, rows)
    elif kind == "tsv":
        path.write_text("\n".join("\t".join(row) for row in [list(rows[0]), *(list(r.values()) for r in rows)]))
    elif kind == "json":
        path.write_text(json.dumps(rows))
    elif kind == "jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows))
    elif kind == "parquet":
        data.to_parquet(str(path))
    elif kind == "arrow":
        data.save_to_disk(str(folder / "saved"))
        path = next((folder / "saved").glob("*.arrow"))
    elif kind == "folder":
        for i, row in enumerate(rows):
            file = folder / "classes" / row["label"] / f"{i:03d}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(row["text"])
        path = folder / "classes"
    elif kind == "saved":
        DatasetDict(train=data).save_to_disk(str(folder / "saved"))
        return Source(dataset_name=str(folder / "saved"))
    return Source(files={"train": str(path)})


@pytest.mark.parametrize("kind", ["csv", "tsv", "json", "jsonl", "parquet", "arrow", "folder", "saved"])
def test_every_source_gives_the_same_rows(kind, tmp_path):
    rows = make_rows(12, seed=8)
    splits, *_ = standardise_columns(read_splits(write_source(kind, rows, tmp_path)), Columns())
    read = sorted(zip(splits["train"]["text"], splits["train"]["label"], strict=True))
    assert read == sorted((row["text"], row["label"]) for row in rows)
    if kind != "folder":
        assert splits["train"]["id"][:] == [row["id"] for row in rows]


def read_text(tmp_path, content: str | bytes, name: str = "a.csv") -> Dataset:
    content = content if isinstance(content, bytes) else content.encode()
    (tmp_path / name).write_bytes(content)
    return read_splits(Source(files={"train": str(tmp_path / name)}))["train"]


def test_a_name_with_brackets_is_no_pattern_and_an_index_of_pandas_no_error(tmp_path):
    """`DataFrame.to_csv` writes its index under no name."""
    data = read_text(tmp_path, ",text,label\n0,good film,1\n1,bad film,0\n", "reviews[1].csv")
    assert data["text"][:] == ["good film", "bad film"]


def test_csv_fields_are_strings(tmp_path):
    data = read_text(tmp_path, "text,label\nNA,007\nnull,1.0\n")
    assert data[:] == {"text": ["NA", "null"], "label": ["007", "1.0"]}


ROWS = "text,label\ngood,positive\n"
REFUSED = {
    "an empty file": ("a.csv", "", ["--train_file", "a.csv", "the file is empty"]),
    "a header only": ("a.csv", "text,label\n", ["a header but no rows"]),
    "a byte order mark only": ("a.csv", b"\xef\xbb\xbf", ["the file is empty", "column names"]),
    "blank lines only": ("a.tsv", "\n \n", ["the file is empty", "column names"]),
    "a short row": ("a.csv", ROWS + "bad\n", ["line 3 has 1 field where the header has 2", "Add the missing fields"]),
    "a long row": ("a.tsv", "text\tlabel\na\tb\tc\n", ["line 2 has 3 fields", "tabs"]),
    "an open quote": ("a.csv", ROWS + '"bad,negative\n', ["line 3", "never closed"]),
    "no rows in JSON": ("a.json", "[]", ["there are no rows", "leave the file out"]),
    "a byte order mark as JSON": ("a.jsonl", b"\xef\xbb\xbf", ["there are no rows"]),
    "a duplicate column": ("a.csv", "text,text\na,b\n", ["duplicate column 'text'"]),
    "broken JSON": ("a.jsonl", '{"text": "a"}\n{"text": \n', ["line 2 is not JSON", "Fix or remove"]),
    "JSON without names": ("a.jsonl", '["a", "b"]\n["c", "d"]\n', ["line 1 is not an object", "per line"]),
    "no Parquet": ("a.parquet", "text", ["cannot be read as parquet"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_broken_files_are_refused_by_flag_file_and_line(case, tmp_path):
    name, content, words = REFUSED[case]
    with pytest.raises(UsageError) as refused:
        read_text(tmp_path, content, name)
    assert all(word in str(refused.value) for word in [*words, "--train_file", name])


def empty_file(kind: str, folder):
    """A file of `kind` with columns and no rows."""
    path = folder / f"empty.{kind}"
    data = Dataset.from_dict(
        {"text": [], "label": []}, features=Features({"text": Value("string"), "label": Value("string")})
    )
    if kind == "parquet":
        data.to_parquet(str(path))
    elif kind == "arrow":
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, data.data.table.schema):
            pass
    elif kind == "saved":
        data.save_to_disk(str(path))
    else:
        path.write_text({"csv": "text,label\n", "tsv": "text\tlabel\n", "json": "[]", "jsonl": "\n"}[kind])
    return path


@pytest.mark.parametrize("flag", ["train", "validation", "test"])
@pytest.mark.parametrize("kind", ["csv", "tsv", "json", "jsonl", "parquet", "arrow", "saved"])
def test_a_file_without_rows_is_refused_by_its_flag(kind, flag, tmp_path):
    with pytest.raises(UsageError, match=f"^--{flag}_file .*empty.{kind}: .*no rows"):
        read_splits(Source(files={flag: str(empty_file(kind, tmp_path))}))


def test_a_saved_data_set_is_a_file_and_saved_splits_are_a_name(tmp_path):
    rows = [{"text": "null", "label": "None"}, {"text": "007", "label": "x"}]
    data = Dataset.from_list(rows)
    data.save_to_disk(str(tmp_path / "one"))
    DatasetDict(train=data, test=data).save_to_disk(str(tmp_path / "many"))
    assert list(read_splits(Source(files={"test": str(tmp_path / "one")}))["test"]) == rows
    with pytest.raises(
        UsageError, match=r"--train_file .*many: .*several splits.*: --dataset_name \S*many$"
    ) as refused:
        read_splits(Source(files={"train": str(tmp_path / "many")}))
    splits = read_splits(Source(dataset_name=str(refused.value).rpartition(" ")[2]))
    assert {split: list(data) for split, data in splits.items()} == {"train": rows, "test": rows}
    next((tmp_path / "one").glob("*.arrow")).unlink()
    with pytest.raises(UsageError, match="--train_file .*one: was written by save_to_disk and cannot be read"):
        read_splits(Source(files={"train": str(tmp_path / "one")}))


# --------------------------------------------------------------------------------------------------------- the Hub


@pytest.fixture(scope="module")
def imdb(tmp_path_factory) -> str:
    return hub_folder(tmp_path_factory.mktemp("imdb"))


def test_a_hub_layout_keeps_names_and_never_reads_the_unlabelled_split(imdb, caplog):
    caplog.set_level("INFO")
    splits, names, _ = standardise_columns(read_splits(Source(dataset_name=imdb)), Columns())
    assert set(splits) == {"train", "test"} and names == ("neg", "pos")
    assert splits["test"]["label"][:2] == ["neg", "pos"]
    assert splits["train"]["id"][:2] == ["train-0", "train-1"]
    assert "not used, not tokenised: split unsupervised" in caplog.text


def test_an_unlabelled_test_split_loses_its_label_column(imdb):
    raw = read_splits(Source(dataset_name=imdb, split_names={"test": "unsupervised"}))
    splits, names, _ = standardise_columns(raw, Columns())
    splits = encode_labels(splits, infer_task(splits["train"]["label"], LabelHints(class_names=names)))
    assert len(splits["test"]) == 30 and "label" not in splits["test"].column_names


def test_splits_are_removed_and_renamed_by_name_only(imdb):
    assert set(read_splits(Source(dataset_name=imdb, remove_splits=("test",)))) == {"train"}
    renamed = read_splits(Source(dataset_name=imdb, split_names={"validation": "test", "test": None}))
    assert set(renamed) == {"train", "validation", "test"}
    with pytest.raises(UsageError, match="--test_split_name tset: .* no such split.*Did you mean 'test'"):
        read_splits(Source(dataset_name=imdb, split_names={"test": "tset"}))
    with pytest.raises(UsageError, match="--remove_splits dev: the splits of the data set are"):
        read_splits(Source(dataset_name=imdb, remove_splits=("dev",)))
