"""What a run writes about its training data: beside the weights, without texts, and for every kind of model."""

from __future__ import annotations

import json

import pytest
from corpus import make_rows, write_csv
from helpers import weights

from classification.data.statistics_format import FILE
from classification.inference.data_statistics import read_statistics
from run_classification import main


def content_of(folder) -> dict:
    return json.loads((folder / FILE).read_text(encoding="utf-8"))


def test_a_run_writes_what_its_training_data_looked_like(finished):
    run = finished()
    content = content_of(run.folder)
    assert content["rows"] == 64 == content["measured_rows"]
    assert (content["text_columns"], content["label_column"], content["has_pairs"]) == (["text"], "label", False)
    assert 0 < content["tokens"]["0%"] <= content["tokens"]["100%"]
    assert content["scripts"] == {"Latin": 1.0}
    assert sum(content["classes"].values()) == pytest.approx(1) and len(content["classes"]) == 2


def test_the_file_holds_no_word_of_a_text(finished, shared_files):
    from csv import DictReader

    with open(shared_files["train_file"], encoding="utf-8", newline="") as handle:
        words = {word for row in DictReader(handle) for word in row["text"].split() if word.isalpha() and len(word) > 3}
    content = content_of(finished().folder)
    strings = {*content, *content["function_words"], *content["scripts"], *content["classes"], "text", "label"}
    assert words and not words & {string.lower() for string in strings}


def test_hidden_texts_leave_languages_and_odd_column_names_out(command, tmp_path):
    rows = [{"Kunde sagt:": row["text"], "label": row["label"]} for row in make_rows(64)]
    file = write_csv(tmp_path / "odd.csv", rows)
    main(command(
        train_file=file, validation_file=None, test_file=None, text_column_names="Kunde sagt:", report_texts=False
    ))  # fmt: skip
    content = content_of(tmp_path / "out")
    assert content["function_words"] == {} and content["text_columns"] == [] and content["label_column"] is None
    assert read_statistics(tmp_path / "out").text_columns == ()


def test_joined_columns_and_their_delimiter_are_named(command, tmp_path):
    rows = [{"title": "good", "body": row["text"], "stars": row["label"]} for row in make_rows(64)]
    file = write_csv(tmp_path / "joined.csv", rows)
    main(command(
        train_file=file, validation_file=None, test_file=None, text_column_names="title,body",
        text_column_delimiter=" / ", label_column_name="stars",
    ))  # fmt: skip
    read = read_statistics(tmp_path / "out")
    assert read.text_columns == ("title", "body") and read.text_column_delimiter == " / "
    assert read.label_column == "stars" and not read.has_pairs


def test_an_adapter_has_statistics_too(finished):
    run = finished(lora_r=2, lora_merge=False)
    assert (run.folder / "adapter_model.safetensors").exists() and content_of(run.folder)["rows"] == 64


def test_a_finished_run_without_the_file_gets_none_and_is_not_changed(finished, command, tmp_path):
    out = tmp_path / "out"
    main(command())
    (out / FILE).unlink()
    before = weights(out)
    main(command(resume="auto"))
    assert not (out / FILE).exists() and all((weights(out)[name] == before[name]).all() for name in before)


def test_statistics_that_fail_cost_nothing_else(command, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("classification.errors.FORGIVING", True)

    def fail(*args, **kwargs):
        raise ValueError("a bug")

    monkeypatch.setattr("classification.training.phases.training_statistics", fail)
    main(command())
    assert not (tmp_path / "out" / FILE).exists() and (tmp_path / "out" / "model.safetensors").exists()
    assert f"{FILE} is missing: ValueError: a bug." in capsys.readouterr().out


def test_the_file_stays_with_the_model_that_a_study_keeps(finished):
    folder = finished(seeds="1,2").folder
    assert content_of(folder)["rows"] == 64 and (folder / "model.safetensors").exists()
    assert not list(folder.glob(f"seed-*/{FILE}"))  # they have no weights either
