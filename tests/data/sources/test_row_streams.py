"""Every kind of input gives the same rows, in the same parts; what is no input is refused with a way out."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpus import hub_folder
from datasets import Dataset, DatasetDict
from helpers import ROOT
from stream_parity import open_input, parts_of, read_input, refuse_input

from classification.data.sources.hub_copies import copy_folder, keep_copy
from classification.data.sources.row_batches import InputSource
from classification.data.sources.row_streams import open_rows
from classification.errors import UsageError

TEXTS = ["a", "bb", "cccc", "d" * 30, "e", "f", "", "hh", "ii", "x" * 9, "é" * 3]
ROWS = [{"id": f"u{i}", "text": text} for i, text in enumerate(TEXTS)]
KINDS = ["csv", "tsv", "jsonl", "json", "parquet", "arrow", "saved", "text", "csv.gz", "jsonl.bz2", "json.xz"]


def write(kind: str, folder):
    path = folder / f"a.{kind.replace('text', 'txt')}"
    kind, _, packed = kind.partition(".")
    if kind in ("csv", "tsv"):
        mark = "," if kind == "csv" else "\t"
        content = "".join(f"{row['id']}{mark}{row['text']}\n" for row in [{"id": "id", "text": "text"}, *ROWS])
    elif kind == "jsonl":
        content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
    elif kind == "json":
        content = json.dumps(ROWS, indent=1, ensure_ascii=False)
    elif kind == "text":
        content = "".join(text + "\n" for text in TEXTS)
    elif kind == "parquet":
        pq.write_table(pa.Table.from_pylist(ROWS), path, row_group_size=4)
        return path
    else:
        Dataset.from_list(ROWS).save_to_disk(str(folder / "saved"))
        return folder / "saved" if kind == "saved" else next((folder / "saved").glob("*.arrow"))
    pack = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "": bytes}[packed]
    path.write_bytes(pack(content.encode()))
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_the_same_rows(kind, tmp_path):
    rows = read_input(write(kind, tmp_path))
    assert rows == ([{"text": text} for text in TEXTS] if kind == "text" else ROWS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_part_ends_after_its_rows_or_its_characters(kind, tmp_path, monkeypatch):
    """A longer row is alone, and nothing depends on how many rows are looked at together."""
    monkeypatch.setattr("classification.data.sources.table_cuts.SLICE", 1)
    path = write(kind, tmp_path)
    with parts_of(3, 16), open_input(path) as stream:
        parts = [(batch.number, batch.first, len(batch)) for batch in stream.batches()]
        again = [(batch.number, batch.first, len(batch)) for batch in stream.batches()]
    with open_rows(InputSource(str(path), part_rows=2)) as stream:
        assert [len(batch) for batch in stream.batches()] == [2] * (len(ROWS) // 2) + [1] * (len(ROWS) % 2)
    lengths = [3, 1, 3, 3, 1] if kind == "text" else [3, 1, 3, 2, 1, 1]
    assert parts == again == [(i, sum(lengths[:i]), length) for i, length in enumerate(lengths)]


@pytest.mark.parametrize("kind", KINDS)
def test_equal_inputs_have_equal_identities_wherever_they_are(kind, tmp_path):
    for name in ("1", "2"):
        (tmp_path / name).mkdir()
    if "saved" in kind or kind == "arrow" or kind.endswith("gz"):  # these files hold times or random names
        return
    one, two = (open_input(write(kind, tmp_path / name)).identity for name in ("1", "2"))
    assert one == two
    if kind in ("csv", "jsonl", "text"):
        path = write(kind, tmp_path / "2")
        path.write_text(path.read_text().replace("hh", "hx"))
        assert open_input(path).identity != one


@pytest.mark.parametrize("kind", ["csv", "jsonl", "text", "parquet"])
@pytest.mark.parametrize("change", ["longer", "shorter", "gone"])
def test_an_input_that_changes_while_it_is_read_is_refused(kind, change, tmp_path):
    path = write(kind, tmp_path)
    with parts_of(2), open_input(path) as stream, pytest.raises(UsageError, match="has changed|cannot be read"):
        for batch in stream.batches():
            if batch.number == 0:
                content = path.read_bytes()
                path.unlink()
                if change != "gone":
                    path.write_bytes(content * 2 if change == "longer" else content[: len(content) // 2])


def test_a_change_that_keeps_size_and_time_is_seen_by_the_number_of_rows(tmp_path):
    path = write("text", tmp_path)
    before, stream = path.stat(), open_input(path)
    path.write_text(path.read_text().replace("a\nbb\n", "a_bb\n", 1))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    with pytest.raises(UsageError, match="has changed while it was read .it had 11 rows and has 10"):
        list(stream.batches())


NO_INPUT = {  # name, flags -> words
    "a typing error": ("a.cvs", {}, "there is no such file or folder. Did you mean 'a.csv'?"),
    "a folder that is not there": ("none/x.csv", {}, "there is no such file or folder."),
    "a file without a known end": (
        "notes",
        {},
        "Name its format: --input_format {csv,tsv,jsonl,json,parquet,arrow,text}",
    ),
    "an empty file": ("empty.csv", {}, "the file is empty"),
    "an empty folder": ("nothing", {}, "no .txt files and no folders of .txt files; it has nothing"),
    "a split of a file": ("a.csv", {"split": "test"}, "--split test: "),
    "Parquet called CSV by a flag": (
        "t.parquet",
        {"kind": "csv"},
        "--input_format csv: t.parquet is a file of parquet",
    ),
    "an Excel workbook": ("x.xls", {}, "is an Excel workbook"),
}


@pytest.mark.parametrize("case", NO_INPUT)
def test_what_is_no_input_is_refused_with_a_way_out(case, tmp_path):
    write("csv", tmp_path)
    (tmp_path / "notes").write_text("one\ntwo\n")
    (tmp_path / "empty.csv").touch()
    (tmp_path / "nothing").mkdir()
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "t.parquet")
    (tmp_path / "x.xls").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99))
    name, flags, words = NO_INPUT[case]
    assert words in refuse_input(tmp_path / name, **flags)
    assert read_input(tmp_path / "notes", kind="text") == [{"text": "one"}, {"text": "two"}]
    assert read_input(tmp_path / "t.parquet") == [{"text": "a"}]


# -------------------------------------------------------------------------------------------------------------- splits


def test_the_only_split_or_test_is_read_and_of_others_one_must_be_named(tmp_path, caplog):
    caplog.set_level("INFO")
    one, two = Dataset.from_list([{"text": "one"}]), Dataset.from_list([{"text": "two"}])
    for name, splits in {"a": {"train": one}, "b": {"train": one, "test": two}, "c": {"x": one, "y": two}}.items():
        DatasetDict(splits).save_to_disk(str(tmp_path / name))
    assert read_input(tmp_path / "a") == [{"text": "one"}] and read_input(tmp_path / "b") == [{"text": "two"}]
    assert "the split test of train, test" in caplog.text
    assert read_input(tmp_path / "b", split="train") == [{"text": "one"}]
    message = refuse_input(tmp_path / "c")
    assert "has several splits (x, y). Choose one: --split x" in message
    assert read_input(tmp_path / "c", split=message.split()[-1]) == [{"text": "one"}]
    assert (
        "--split tset: " in (message := refuse_input(tmp_path / "b", split="tset")) and "Did you mean 'test'" in message
    )


def test_splits_of_class_folders_are_chosen_too(tmp_path):
    for split in ("train", "test"):
        (tmp_path / split / "pos").mkdir(parents=True)
        (tmp_path / split / "pos" / "0.txt").write_text(split)
    assert read_input(tmp_path) == [{"id": "pos/0", "text": "test", "label": "pos"}]
    assert read_input(tmp_path, split="train")[0]["text"] == "train"


def test_files_with_the_layout_of_the_hub_are_read_as_files_are(tmp_path):
    """Not by the readers of `datasets`, which change NA and 007."""
    (tmp_path / "train.csv").write_text("id,text\n1,x\n")
    (tmp_path / "test.csv").write_text("id,text\n007,NA\n")
    assert read_input(tmp_path) == [{"id": "007", "text": "NA"}]
    assert open_input(tmp_path).kind == "csv" and "has no such split" in refuse_input(tmp_path, split="dev")


def test_class_names_that_a_readme_declares_are_in_the_schema(tmp_path_factory):
    folder = hub_folder(tmp_path_factory.mktemp("imdb"))
    stream = open_input(folder)
    assert stream.kind == "parquet" and "neg" in str(stream.schema.metadata)
    assert sum(len(batch) for batch in stream.batches()) == stream.num_rows


def test_a_data_set_that_cannot_be_reached_is_explained(tmp_path):
    message = refuse_input("someone/imdb", cache_dir=str(tmp_path))
    assert (
        message.startswith("INPUT someone/imdb: The Hub cannot be reached") and "Give local files as INPUT" in message
    )


def test_a_data_set_that_was_read_before_works_offline(tmp_path):
    for split in ("train", "test"):
        folder = copy_folder(str(tmp_path), "someone/imdb", "default", "a" * 40) / split
        keep_copy(Dataset.from_list([{"text": f"{split} {i}"} for i in range(5)]), folder)
    with parts_of(2), open_input("someone/imdb", cache_dir=str(tmp_path)) as stream:
        batches = list(stream.batches())
    assert [len(batch) for batch in batches] == [2, 2, 1] and batches[1].column("text") == ["test 2", "test 3"]
    assert read_input("someone/imdb", cache_dir=str(tmp_path), split="train")[4] == {"text": "train 4"}


def test_streams_of_files_need_no_library_of_data_sets():
    """A served model has none of them installed."""
    code = (
        "import sys, classification.data.sources.row_streams\n"
        "print({'datasets', 'pandas', 'sklearn', 'scipy', 'torch', 'transformers', 'evaluate'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
