"""Flags about a teacher that have no effect, contradict each other or name nothing."""

from __future__ import annotations

import pytest
from corpus import make_rows, write_csv
from helpers import AGAIN, assert_refused, make_bert, make_tokenizer

from classification.cli.parser import parse_arguments

BAD_FLAGS = {  # flags beside a good command line -> words of the message
    "texts without a teacher": ({"unlabelled_file": "x.csv"}, ["--unlabelled_file x.csv", "without --teacher"]),
    "a temperature without a teacher": ({"teacher_temperature": 3}, ["--teacher_temperature 3", "leave"]),
    "a weight without a teacher": ({"teacher_weight": 0.1}, ["--teacher_weight 0.1", "leave"]),
    "a temperature of zero": ({"teacher": "T", "teacher_temperature": 0},
                              ["--teacher_temperature 0", "greater than 0"]),
    "a weight above one": ({"teacher": "T", "teacher_weight": 1.5}, ["--teacher_weight 1.5", "from 0 to 1"]),
    "no such folder": ({"teacher": "./nowhere"}, ["--teacher ./nowhere", "no such folder"]),
    "no such texts": ({"teacher": "T", "unlabelled_file": "no.csv"}, ["--unlabelled_file no.csv", "no such file"]),
    "a format that is not known": ({"teacher": "T", "unlabelled_file": "U.xyz"}, ["--unlabelled_file"]),
    "a balanced draw of texts without labels": ({"teacher": "T", "unlabelled_file": "U", "sampler": "balanced"},
                                                ["--sampler balanced", "--class_weights balanced"]),
    "no training": ({"teacher": "T", **AGAIN}, ["--teacher", "--do_train"]),
    "a file": ({"teacher": "U"}, ["--teacher", "is a file"]),
}  # fmt: skip


@pytest.fixture
def places(tmp_path) -> dict[str, str]:
    """A classifier `T` and a file of texts `U`."""
    make_bert().save_pretrained(tmp_path / "T")
    make_tokenizer().save_pretrained(tmp_path / "T")
    texts = write_csv(tmp_path / "U.csv", make_rows(4))
    (tmp_path / "U.xyz").write_bytes(bytes(range(9)))
    return {"T": str(tmp_path / "T"), "U": texts, "U.xyz": str(tmp_path / "U.xyz")}


@pytest.mark.parametrize("case", BAD_FLAGS)
def test_each_is_refused_by_name(case, places, command):
    flags, words = BAD_FLAGS[case]
    flags = {name: places.get(value, value) if isinstance(value, str) else value for name, value in flags.items()}
    assert_refused(words, parse_arguments, command(**flags))


def test_a_folder_without_a_model_or_with_damaged_weights_is_refused(places, command, tmp_path):
    (tmp_path / "empty").mkdir()
    assert_refused(["--teacher", "config.json"], parse_arguments, command(teacher=tmp_path / "empty"))
    (tmp_path / "T" / "model.safetensors").write_bytes(b"no weights")
    assert_refused(["--teacher", "damaged"], parse_arguments, command(teacher=places["T"]))


def test_good_flags_become_one_value_and_the_paths_are_inputs(places, command):
    """What a run reads must not be moved away by --overwrite_output_dir."""
    options = parse_arguments(command(teacher=places["T"], unlabelled_file=places["U"], teacher_temperature=4))
    teacher = options.training.teacher
    assert (teacher.name, teacher.temperature, teacher.weight) == (places["T"], 4.0, 0.5)
    assert {places["T"], places["U"]} <= set(options.inputs)
    assert parse_arguments(command()).training.teacher is None


def test_the_lstm_beside_the_model_has_no_teacher(places, command):
    options = parse_arguments(command(teacher=places["T"], unlabelled_file=places["U"], baselines="bilstm"))
    lstm = options.for_bilstm_baseline()
    assert lstm.training.teacher is None
    assert lstm.as_typed["teacher"] is None and lstm.as_typed["unlabelled_file"] is None
