"""A whole run on files as people have them: the rows, ids and labels of predictions.csv are those of the file."""

from __future__ import annotations

import gzip
import json

import datasets
import pytest
from corpus import make_rows
from helpers import account, read_predictions

from classification.data.sources.cache_folder import temporary_folder
from classification.errors import UsageError
from run_classification import main

LABELS = {"negative": "None", "positive": "2021-03-01"}


def strange_rows(count: int, seed: int) -> list[dict]:
    """Ids and labels that readers like to convert; every third text begins or ends with a quotation mark."""
    rows = make_rows(count, seed=seed)
    marks = ('"{}', '{}"', "{}")
    return [
        {"id": f"{i:03d}", "text": marks[i % 3].format(row["text"]), "label": LABELS[row["label"]]}
        for i, row in enumerate(rows)
    ]


def write(folder, kind: str, split: str, rows: list[dict]) -> str:
    path = folder / f"{split}.{kind}"
    plain = "\n".join("\t".join(row.values()) for row in [dict(zip(rows[0], rows[0], strict=True)), *rows]) + "\n"
    if kind == "tsv":
        path.write_text(plain, encoding="utf-16")
    elif kind == "tsv.gz":
        path.write_bytes(gzip.compress(plain.encode()))
    else:
        path.write_text(json.dumps({"data": rows}))
    return str(path)


@pytest.mark.parametrize(("kind", "by_name"), [("tsv", False), ("tsv.gz", True), ("json", True)])
def test_a_run_on_a_messy_file_predicts_every_row_under_its_own_id(kind, by_name, command, tmp_path):
    train, test = strange_rows(48, 1), strange_rows(12, 2)
    folder = tmp_path / "data"
    folder.mkdir()
    files = {"train_file": write(folder, kind, "train", train), "test_file": write(folder, kind, "test", test)}
    source = {"train_file": None, "test_file": None, "dataset_name": folder} if by_name else files
    main(command(validation_file=None, **source))
    predictions = read_predictions(tmp_path / "out")
    assert [(row["id"], row["text"], row["label"]) for row in predictions] == [tuple(row.values()) for row in test]
    assert {"prob_None", "prob_2021-03-01"} <= set(predictions[0])


def test_a_run_needs_no_cache_that_can_be_written(command, tmp_path, monkeypatch, caplog):
    temporary_folder.cache_clear()
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", "/dev/null/cache")
    main(command())
    assert account(tmp_path / "out")["epochs"] and len(read_predictions(tmp_path / "out")) == 24
    temporary_folder.cache_clear()


@pytest.mark.parametrize("flag", ["train_file", "validation_file", "test_file"])
@pytest.mark.parametrize(("name", "content"), [("a.json", b"[]"), ("a.tsv", b"\xef\xbb\xbf"), ("a.csv", b" \n")])
def test_a_file_without_rows_is_refused_before_anything_slow(flag, name, content, command, nothing_slow, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=f"^--{flag} .*{name}: .*no rows"):
        main(command(**{flag: tmp_path / name}))
