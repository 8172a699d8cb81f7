"""Every source gives the same rows: files, folders and the Hub's layout; and columns are found by their names."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from conftest import hub_folder, make_rows, splits_of, write_csv
from datasets import Dataset, DatasetDict

from classification.data.columns import Columns
from classification.data.label_columns import encode_labels
from classification.data.labels import LabelSpace
from classification.data.readers import full_name
from classification.errors import UsageError
from data_utils import load_splits, read_splits


def write_source(kind: str, rows: list[dict], folder) -> dict:
    """Write `rows` as `kind`; returns the arguments of `read_splits`."""
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
        return {"dataset_name": str(folder / "saved")}
    return {"files": {"train": str(path)}}


@pytest.mark.parametrize("kind", ["csv", "tsv", "json", "jsonl", "parquet", "arrow", "folder", "saved"])
def test_every_source_gives_the_same_rows(kind, tmp_path):
    rows = make_rows(12, seed=8)
    splits, _ = load_splits(read_splits(**write_source(kind, rows, tmp_path)), Columns())
    found = sorted(zip(splits["train"]["text"], splits["train"]["label"], strict=True))
    assert found == sorted((row["text"], row["label"]) for row in rows)
    if kind != "folder":
        assert splits["train"]["id"][:] == [row["id"] for row in rows]


def test_a_file_is_read_whatever_it_is_called_and_whoever_wrote_it(tmp_path):
    """`DataFrame.to_csv` writes its index under no name; a name with brackets is no pattern."""
    (tmp_path / "reviews[1].csv").write_text(",text,label\n0,good film,1\n1,bad film,0\n")
    splits, _ = load_splits(read_splits(files={"train": str(tmp_path / "reviews[1].csv")}), Columns())
    assert splits["train"]["text"][:] == ["good film", "bad film"]


def test_old_names_of_the_hub_become_full_names(tmp_path, monkeypatch):
    import huggingface_hub

    asked = []

    def dataset_info(self, name):
        asked.append(name)
        return SimpleNamespace(id=f"stanfordnlp/{name}")

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", dataset_info)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    assert full_name("imdb", cache_dir=None, token=None) == "stanfordnlp/imdb"
    assert full_name("someone/imdb", cache_dir=None, token=None) == "someone/imdb" and asked == ["imdb"]
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert full_name("imdb", cache_dir=str(tmp_path), token=None) == "imdb"
    (tmp_path / "stanfordnlp___imdb").mkdir()
    assert full_name("imdb", cache_dir=str(tmp_path), token=None) == "stanfordnlp/imdb"


def test_a_hub_layout_keeps_names_and_never_touches_the_unlabelled_split(tmp_path):
    splits, names = load_splits(read_splits(dataset_name=hub_folder(tmp_path)), Columns())
    assert set(splits) == {"train", "test"} and names == ("neg", "pos")
    assert splits["test"]["label"][:2] == ["neg", "pos"]
    assert splits["train"]["id"][:2] == ["train-0", "train-1"]


def test_an_unlabelled_test_split_loses_its_label_column(tmp_path):
    folder = hub_folder(tmp_path)
    raw = read_splits(dataset_name=folder, split_names={"test": "unsupervised"})
    splits, names = load_splits(raw, Columns())
    splits = encode_labels(splits, LabelSpace.from_train(splits["train"]["label"], class_names=names))
    assert len(splits["test"]) == 30 and "label" not in splits["test"].column_names


def test_pairs_are_found_by_their_names_and_joined_on_request():
    rows = [{"premise": "good", "hypothesis": f"bad {i}", "label": i % 2} for i in range(6)]
    pairs, _ = load_splits(splits_of(rows), Columns())
    assert pairs["train"][1] == {"text": "good", "text_pair": "bad 1", "id": "train-1", "label": 1}
    joined, _ = load_splits(splits_of(rows), Columns(text=("premise", "hypothesis"), delimiter=" / "))
    assert joined["train"]["text"][1] == "good / bad 1" and "text_pair" not in joined["train"].column_names


def test_ids_come_from_a_unique_column_only():
    rows = make_rows(4)
    repeated = [row | {"id": "same"} for row in rows]
    assert load_splits(splits_of(rows), Columns())[0]["train"]["id"][:] == [row["id"] for row in rows]
    assert load_splits(splits_of(repeated), Columns())[0]["train"]["id"][1] == "train-1"


def test_labels_that_train_lacks_are_an_error():
    rows = make_rows(40) + [{"id": "x", "text": "the odd one", "label": "rare"}]
    few = LabelSpace.from_train(["negative", "positive"])
    with pytest.raises(UsageError, match=r"'rare' x 1 \(ids x\)"):
        encode_labels(splits_of(rows[:2], test=rows), few)
