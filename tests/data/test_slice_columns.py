"""`--slice_columns`: every row keeps its own cell as it is written, whatever happens to the rows."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpus import hub_folder, make_rows, write_csv
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from helpers import assert_refused
from transformers import BertConfig

from classification.cli.parser import parse_arguments
from classification.data.columns import Columns, standardise_columns
from classification.data.fingerprints import fingerprint
from classification.data.named_columns import split_names
from classification.data.slice_columns import slice_columns
from classification.data.tasks import infer_task
from data_utils import load_corpus

ROWS = {"text": ["a", "b", "c"], "label": [0, 1, 0]}


def cells(values, name="kind", flag=None, feature=None, **others) -> list[str]:
    """The cells of a column of test in a data set of train and test."""
    columns = ROWS | {name: values}
    data = Dataset.from_dict(columns, features=feature and Features(
        {"text": Value("string"), "label": Value("int64"), name: feature}))  # fmt: skip
    raw = DatasetDict(train=Dataset.from_dict(ROWS | others), test=data)
    splits, *_ = standardise_columns(raw, Columns(slices=split_names(flag or name)))
    assert slice_columns(splits["train"]) == []
    (column,) = slice_columns(splits["test"])
    assert column == f"slice.{(flag or name).strip(chr(34))}"
    return splits["test"][column][:]


@pytest.fixture
def load(tmp_path):
    """A function that writes rows as CSV files and loads them as the command line does."""

    def from_rows(rows: dict[str, list[dict]], *, config=None, fold=None, **flags):
        files = {f"{split}_file": write_csv(tmp_path / f"{split}.csv", data) for split, data in rows.items()}
        words = [f"--{name}={value}" for name, value in (files | flags).items()]
        return load_corpus(parse_arguments([*words, f"--output_dir={tmp_path / 'out'}"]), config, fold)

    return from_rows


def kind_of(row: dict) -> str:
    """A value that tells which row it belongs to."""
    return f"kind of {row['id']}"


def with_kinds(rows: list[dict]) -> list[dict]:
    return [row | {"kind": kind_of(row)} for row in rows]


def assert_own_kinds(corpus, splits=("train", "validation", "test")) -> None:
    for split in splits:
        rows = corpus.splits[split]
        assert rows["slice.kind"][:] == [f"kind of {row_id}" for row_id in rows["id"]]


# ------------------------------------------------------------------------------------------------------------ the cells


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["x", None, " y "], ["x", "", " y "]),
        (["007", "1.50", "nan"], ["007", "1.50", "nan"]),
        ([1, None, -3], ["1", "", "-3"]),
        ([1.0, float("nan"), 3.0], ["1", "", "3"]),
        ([1.5, None, 2.0], ["1.5", "", "2.0"]),
        ([True, False, None], ["true", "false", ""]),
        ([Decimal("1.50"), None, Decimal("2.00")], ["1.50", "", "2.00"]),
        ([datetime.date(2024, 1, 31), None, datetime.date(2024, 2, 1)], ["2024-01-31", "", "2024-02-01"]),
        ([["é", "b"], [], None], ['["é", "b"]', "[]", ""]),
        ([b"x", "é".encode(), None], ["x", "é", ""]),
        (["", " ", "=1+1"], ["", " ", "=1+1"]),
        ([None, None, None], ["", "", ""]),
    ],
    ids=["texts", "texts like numbers", "integers", "integers of pandas", "numbers", "booleans", "decimals", "dates",
         "lists", "bytes", "blanks and formulas", "nothing"],
)  # fmt: skip
def test_a_cell_is_as_the_file_has_it(values, expected):
    assert cells(values) == expected


def test_names_of_declared_classes_are_the_cells():
    assert cells([1, -1, 0], feature=ClassLabel(names=["low", "high"])) == ["high", "", "low"]


def test_short_floats_keep_their_digits():
    assert cells(np.array([0.1, 2.5, 3], dtype=np.float32), feature=Value("float32")) == ["0.1", "2.5", "3.0"]


def test_bytes_that_are_no_text_are_refused():
    assert_refused(["--slice_columns kind", "test", "bytes", "Name a column"], cells, [b"\xff\xfe\xfa", b"a", b"b"])


# ------------------------------------------------------------------------------------------------------------ the names


@pytest.mark.parametrize(
    ("column", "flag"),
    [
        ("kind", " kind "), ("kind", '"kind"'), (" kind", "kind"), ("a,b", '"a,b"'), ("a,b", "a,b"), ("", '""'),
        ("\ufeffkind", "kind"), ("Art der Zeile", "Art der Zeile"), ("тип", "тип"), ("meta.kind", "meta.kind"),
    ],
)  # fmt: skip
def test_a_column_is_named_as_with_every_other_flag(column, flag):
    raw = DatasetDict(train=Dataset.from_dict(ROWS), test=Dataset.from_dict(ROWS | {column: ["x", "y", "z"]}))
    splits, *_ = standardise_columns(raw, Columns(slices=split_names(flag)))
    (name,) = slice_columns(splits["test"])
    assert splits["test"][name][:] == ["x", "y", "z"]
    assert name == f"slice.{flag.strip().strip(chr(34))}"


@pytest.mark.parametrize("as_text", [True, False])
def test_a_field_of_objects_is_named_by_a_dotted_path(as_text):
    values = [{"source": "web", "more": {"year": 2001}}, {"source": None, "more": {"year": 2002}}, None]
    column = [None if value is None else json.dumps(value) for value in values] if as_text else values
    assert cells(column, "meta", "meta.source") == ["web", "", ""]
    assert cells(column, "meta", '"meta.more.year"') == ["2001", "2002", ""]


def test_a_field_that_only_test_has_is_read_there():
    objects = [{"other": 1}] * 3
    assert cells([{"source": "web"}] * 3, "meta", "meta.source", meta=objects) == ["web"] * 3


REFUSED = {
    "a typo": ("knid", ["--slice_columns knid", "no such column", "Did you mean 'kind'"]),
    "a field that no object has": ("meta.soruce", ["--slice_columns meta.soruce", "source", "Did you mean"]),
    "no object": ("kind.field", ["--slice_columns kind.field", "no such column"]),
    "only in train": ("early", ["--slice_columns early", "only train", "leave it out"]),
    "the text": ("content", ["--slice_columns content", "the text", "Leave it out"]),
    "the text in quotes": ('"content"', ["--slice_columns content", "the text"]),
    "the label": ("labels", ["--slice_columns labels", "the label", "Leave it out"]),
    "twice by spaces": ('kind," kind"', ["--slice_columns", "kind is named twice"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_a_slice_is_refused(case):
    flag, words = REFUSED[case]
    test = {"content": ["a", "b"], "labels": ["x", "y"], "kind": ["1", "2"], "meta": [{"source": "web"}] * 2}
    train = {"content": ["a", "b"], "labels": ["x", "y"], "early": ["1", "2"]}
    raw = DatasetDict(train=Dataset.from_dict(train), validation=Dataset.from_dict(test), test=Dataset.from_dict(test))
    assert_refused(words, standardise_columns, raw, Columns(slices=split_names(flag)))


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (Columns(text=("kind",), slices=("kind",)), ["the text"]),
        (Columns(text=("content", "kind"), delimiter=" ", slices=("kind",)), ["the text"]),
        (Columns(text=("content",), label="kind", slices=(" kind",)), ["the label"]),
        (Columns(text=("content",), labels=("kind", "other"), slices=("kind",)), ["the label"]),
    ],
)
def test_text_and_label_are_refused_under_the_names_that_flags_give_them(columns, words):
    data = Dataset.from_dict({"content": ["a", "b"], "kind": ["0", "1"], "other": ["1", "0"]})
    assert_refused(["--slice_columns kind", *words], standardise_columns, DatasetDict(train=data, test=data), columns)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("id", ["predictions.csv", "another name in the file"]),
        ("text", ["predictions.csv"]),
        (" label", ["--slice_columns label", "predictions.csv"]),
        ('"prediction"', ["--slice_columns prediction"]),
        ("prob_x", ["predictions.csv"]),
        ("tokens", ["predictions.csv"]),
        ("kind,truncated", ["--slice_columns truncated"]),
        ("text_pair", ["predictions.csv"]),
        ("length", ["slices of this name"]),
        ("kind,source, kind", ["names a column twice", "Name each once"]),
    ],
)
def test_a_name_that_results_have_already_is_refused_before_any_file_is_read(name, words, command):
    assert_refused(["--slice_columns", *words], parse_arguments, command(slice_columns=name))


def test_the_remedy_for_a_name_that_is_taken_works(load):
    rows = [row | {"prob": "x"} for row in make_rows(20)]
    assert load({"train": rows, "test": rows}, slice_columns="prob").splits["test"]["slice.prob"][0] == "x"


# ------------------------------------------------------------------------------------------------------- through a run


def test_a_column_that_only_test_has_is_fine_and_needs_no_word(load, caplog):
    caplog.set_level("INFO")
    corpus = load({"train": make_rows(40), "test": with_kinds(make_rows(10, 3))}, slice_columns="kind")
    assert_own_kinds(corpus, ["test"])
    assert "column kind" not in caplog.text and not slice_columns(corpus.splits["validation"])


def test_the_log_says_that_test_lacks_a_column(load, caplog):
    caplog.set_level("INFO")
    load({"train": with_kinds(make_rows(40)), "test": make_rows(10, 3)}, slice_columns="kind")
    assert "the column kind is in train, but not in test" in caplog.text


def test_a_column_of_train_goes_to_the_validation_that_is_split_off(load):
    corpus = load({"train": with_kinds(make_rows(60))}, slice_columns="kind", shuffle_train_dataset=True)
    assert_own_kinds(corpus, ["train", "validation"])


def test_every_row_keeps_its_own_cell_when_rows_are_dropped_and_sampled(load):
    train = with_kinds(make_rows(60, 1) + [dict(row, id=f"again-{row['id']}") for row in make_rows(60, 1)[:9]])
    train[3]["text"], train[7]["label"] = " ", ""
    test = with_kinds(make_rows(30, 3))
    test[2]["text"], test[5]["label"] = "", ""
    corpus = load(
        {"train": train, "test": test}, slice_columns="kind", on_bad_row="drop", drop_duplicates=True, drop_leaked=True,
        max_train_samples=30, max_eval_samples=8, max_predict_samples=12, shuffle_train_dataset=True,
        validation_group_column="id",
    )  # fmt: skip
    assert [len(corpus.splits[split]) for split in ("train", "validation", "test")] == [30, 8, 12]
    assert_own_kinds(corpus)


def test_every_row_keeps_its_own_cell_in_every_fold(load):
    held_out = []
    for number in range(3):
        corpus = load({"train": with_kinds(make_rows(45))}, slice_columns="kind", fold=(number, 3), folds=3)
        assert_own_kinds(corpus, ["train", "validation"])
        held_out += corpus.splits["validation"]["id"][:]
    assert len(held_out) == len(set(held_out)) == 45


@pytest.mark.parametrize("flags", [{}, {"max_predict_samples": 6, "shuffle_train_dataset": True}])
def test_slices_change_no_fingerprint_and_no_row(flags, load):
    rows = {"train": with_kinds(make_rows(40)), "test": with_kinds(make_rows(12, 3))}
    plain, sliced = load(rows, **flags), load(rows, slice_columns="kind", **flags)
    for split, data in plain.splits.items():
        assert fingerprint(data) == fingerprint(sliced.splits[split])
        assert data["id"][:] == sliced.splits[split]["id"][:] and not slice_columns(data)


def test_a_trained_model_needs_the_column_in_test_only(load):
    config = BertConfig()
    infer_task(["negative", "positive"]).write_to(config)
    corpus = load({"test": with_kinds(make_rows(10))}, config=config, do_predict=True, slice_columns="kind")
    assert_own_kinds(corpus, ["test"])


def test_jsonl_and_parquet_have_the_same_cells(tmp_path):
    rows = [{"text": f"text {i}", "label": "ab"[i % 2], "meta": {"n": i}, "kind": None if i == 3 else f"k{i}"}
            for i in range(20)]  # fmt: skip
    jsonl, parquet = tmp_path / "rows.jsonl", tmp_path / "rows.parquet"
    jsonl.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    pq.write_table(pa.Table.from_pylist(rows), parquet)
    found = []
    for file in (jsonl, parquet):
        words = [f"--train_file={file}", f"--test_file={file}", "--slice_columns=kind,meta.n", "--output_dir=x"]
        test = load_corpus(parse_arguments(words)).splits["test"]
        found.append([test["slice.kind"][:], test["slice.meta.n"][:]])
    assert found[0] == found[1] == [["k0", "k1", "k2", "", *(f"k{i}" for i in range(4, 20))], [*map(str, range(20))]]


def test_a_data_set_of_the_hub_may_have_slices_of_declared_classes(tmp_path):
    folder = hub_folder(tmp_path)
    file = tmp_path / "hub" / "data" / "test-00000-of-00001.parquet"
    features = Features({"text": Value("string"), "label": ClassLabel(names=["neg", "pos"]),
                         "origin": ClassLabel(names=["web", "book"])})  # fmt: skip
    rows = Dataset.from_parquet(str(file), cache_dir=str(tmp_path / "cache"))
    Dataset.from_dict({"text": rows["text"][:], "label": rows["label"][:], "origin": [0, 1] * 5},
                      features=features).to_parquet(str(file))  # fmt: skip
    words = [f"--dataset_name={folder}", "--slice_columns=origin", "--output_dir=x", f"--cache_dir={tmp_path / 'c'}"]
    corpus = load_corpus(parse_arguments([*words, "--remove_splits=unsupervised"]))
    assert corpus.splits["test"]["slice.origin"][:] == ["web", "book"] * 5
