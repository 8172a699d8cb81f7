"""neighbours.json of whole runs: for the rows that the report shows, by the embedding of the saved model."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import transformers
from corpus import GOOD, make_rows, write_csv, write_splits
from helpers import account, read_predictions

from classification import errors
from classification.experiments import neighbours
from classification.report.run_files import read_run
from classification.report.shown_rows import choose_rows
from classification.training.embeddings import EmbeddingRecorder
from run_classification import main


def read(folder) -> dict:
    return json.loads((folder / "neighbours.json").read_text(encoding="utf-8"))


def assert_alike(one: dict, other: dict) -> None:
    """Two files have the same rows with the same similarities, up to rounding."""
    assert one["rows"].keys() == other["rows"].keys()
    for row, found in one["rows"].items():
        values = [value for _, value, _ in other["rows"][row]["nearest"]]
        assert [value for _, value, _ in found["nearest"]] == pytest.approx(values, abs=3e-4)


def check(folder, train: int, test: int) -> dict:
    """Every shown row has three neighbours, in falling order, and the page chooses the same rows."""
    content, run = read(folder), read_run(folder)
    rows = read_predictions(folder)
    assert (content["train_rows"], content["searched"], content["test_rows"]) == (train, train, test)
    assert 0 < len(content["train"]) <= train
    assert [int(row) for row in content["rows"]] == list(choose_rows(run.predictions, run.task).rows)
    for row, one in content["rows"].items():
        assert one["id"] == rows[int(row)]["id"]
        values = [value for _, value, _ in one["nearest"]]
        assert len(values) == 3 and values == sorted(values, reverse=True) and max(values) <= 1
    assert account(folder)["seconds"]["neighbours"] > 0
    return content


def test_the_neighbours_are_those_of_the_saved_models_embedding(finished, shared_files):
    """Computed again by the library alone, text by text."""
    run = finished(num_train_epochs=2)
    content = check(run.folder, 64, 24)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(run.folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(run.folder)
    read_by_head: list[torch.Tensor] = []
    model.classifier.register_forward_pre_hook(lambda layer, inputs: read_by_head.append(inputs[0][0]))

    def embed(texts) -> np.ndarray:
        read_by_head.clear()
        with torch.no_grad():
            for text in texts:
                model(**tokenizer(text, return_tensors="pt"))
        states = torch.stack(read_by_head).double().numpy()
        return states / np.linalg.norm(states, axis=1, keepdims=True)

    train, rows = make_rows(64, seed=1), read_predictions(run.folder)
    similarity = embed(row["text"] for row in rows) @ embed(row["text"] for row in train).T
    places = {row["id"]: place for place, row in enumerate(train)}
    for row, one in content["rows"].items():
        expected = np.sort(similarity[int(row)])[::-1][:3]
        assert [value for _, value, _ in one["nearest"]] == pytest.approx(expected, abs=2e-4)
        for place, value, _ in one["nearest"]:
            near = content["train"][place]
            assert similarity[int(row), places[near["id"]]] == pytest.approx(value, abs=2e-4)
            assert near["texts"] == [train[places[near["id"]]]["text"]]
            assert near["labels"] == [train[places[near["id"]]]["label"]]


def test_several_labels_have_them(finished, several):
    check(finished(**several).folder, 96, 32)


def test_numbers_have_them(finished, numbers):
    check(finished(**numbers).folder, 48, 48)


def test_long_pairs_with_adapters_have_them(command, tmp_path):
    def make(count, seed):
        return [row | {"text_pair": "a meal"} for row in make_rows(count, seed)]

    windows = {"truncation_strategy": "window", "max_seq_length": 12, "window_stride": 2}
    pairs = write_splits(tmp_path, "pairs", make) | {"text_column_names": "text,text_pair"}
    main(command(**pairs, **windows, lora_r=2, lora_merge=False, precision="bf16"))
    assert check(tmp_path / "out", 64, 24)["train"][0]["texts"][1] == "a meal"


def test_a_test_without_labels_has_them_by_a_bilstm_too(command, tmp_path):
    rows = [{"id": row["id"], "text": row["text"]} for row in make_rows(24, 3)]
    unlabelled = write_csv(tmp_path / "unlabelled.csv", rows)
    main(command(model_name_or_path="bilstm", max_seq_length=16, test_file=unlabelled))
    check(tmp_path / "out", 64, 24)


def test_a_test_row_that_is_in_train_is_marked_as_the_same_text(command, tmp_path, shared_files):
    leaked = write_csv(tmp_path / "leaked.csv", [*make_rows(3, seed=3), make_rows(64, seed=1)[5] | {"id": "leak"}])
    main(command(test_file=leaked))
    content = check(tmp_path / "out", 64, 4)
    (one,) = [one for one in content["rows"].values() if one["id"] == "leak"]
    near = {content["train"][place]["id"]: (value, same) for place, value, same in one["nearest"]}
    assert near["r1-5"] == (1.0, 1)


def test_the_same_command_gives_the_same_file(finished, command, tmp_path):
    main(command())
    assert (finished().folder / "neighbours.json").read_bytes() == (tmp_path / "out" / "neighbours.json").read_bytes()


def test_embeddings_that_are_computed_again_give_the_same_neighbours(finished, command, tmp_path, monkeypatch):
    """As with several processes, where nothing is recorded during the prediction."""
    monkeypatch.setattr(EmbeddingRecorder, "embeddings", property(lambda self: None, lambda self, value: None), False)
    main(command())
    assert_alike(read(finished().folder), read(tmp_path / "out"))


def test_a_small_budget_searches_fewer_rows_and_reports_how_many(command, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(neighbours, "FREE", 0.0)
    main(command())
    content = read(tmp_path / "out")
    assert 0 < content["searched"] < 64 and content["reason"] == "work" and len(content["rows"]) == 24
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("neighbours"))
    assert f"{content['searched']} training rows (of 64: more would take too long)" in line


def test_no_texts_are_written_without_report_texts(command, tmp_path):
    main(command(report_texts=False))
    written = (tmp_path / "out" / "neighbours.json").read_text(encoding="utf-8")
    assert not [word for word in GOOD if word in written]
    assert set(json.loads(written)["train"][0]) == {"id", "labels"}


def test_the_flag_turns_them_off_and_removes_those_of_an_earlier_command(command, tmp_path):
    main(command())
    assert (tmp_path / "out" / "neighbours.json").is_file()
    main(command(neighbours=False, resume="auto"))
    assert not (tmp_path / "out" / "neighbours.json").exists()
    assert "neighbours" not in account(tmp_path / "out")["seconds"]
    main(command(resume="auto"))
    assert (tmp_path / "out" / "neighbours.json").is_file()


def test_a_study_of_seeds_has_those_of_the_model_that_it_keeps(command, tmp_path):
    results = main(command(seeds="1,2"))
    out = tmp_path / "out"
    assert json.loads((out / "neighbours.json").read_text(encoding="utf-8")) and results["best"]
    rows = read_predictions(out)
    assert {int(row): one["id"] for row, one in read(out)["rows"].items()} == {
        i: row["id"] for i, row in enumerate(rows)
    }


def test_folds_and_the_lstm_beside_a_model_have_none(command, tmp_path):
    main(command(folds=2, test_file=None, validation_file=None, output_dir=tmp_path / "folds"))
    main(command(baselines="bilstm"))
    assert [path.parent for path in tmp_path.rglob("neighbours.json")] == [tmp_path / "out"]


def test_an_error_costs_the_neighbours_alone(command, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(errors, "FORGIVING", True)

    def fail(*arguments):
        raise RuntimeError("no room")

    monkeypatch.setattr(neighbours, "search", fail)
    results = main(command())
    assert "warning: neighbours.json is missing: RuntimeError: no room." in capsys.readouterr().out
    assert results["test_scored"] == 24 and account(tmp_path / "out")["finished"]
