"""run.json as a preset: what was given then is given now, in the values, paths and commits of then."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from helpers import ROOT, assert_refused

from classification.cli.parser import checked_flags, read_flags
from classification.training.finished_run import FORMAT

COMMIT, OTHER = "a" * 40, "b" * 40


@pytest.fixture
def record(tmp_path):
    """A function that writes the run.json of a run with these flags, and returns its path."""

    def write(flags: dict, folder: str = "out", **content) -> str:
        path = tmp_path / folder / "run.json"
        path.parent.mkdir(exist_ok=True)
        facts = {"format": FORMAT, "command": ["run_classification.py"], "arguments": {}, "flags": flags}
        path.write_text(json.dumps(facts | {"working_directory": os.getcwd()} | content), encoding="utf-8")
        return str(path)

    return write


def repeated(path: str, *words: str) -> dict[str, object]:
    return dict(read_flags(["--config", path, *words]).values)


ODD = {
    "text": {"label_column_name": 'the "real"\nlabel – Ä 标', "text_column_names": "a, b", "label_delimiter": " | "},
    "leading dash": {"text_column_delimiter": "--", "train_file": "-reviews.csv", "label_column_name": "-1"},
    "equals sign": {"text_column_delimiter": "a=b", "label_column_name": "007", "id_column_name": "yes"},
    "json": {"class_weights": '{"a \\"quoted\\" name": 2, "b,c": 1}', "lr_scheduler_kwargs": '{"num_cycles": 0.4}'},
    "numbers": {"learning_rate": 1e-05, "weight_decay": 0.1 + 0.2, "num_train_epochs": 3.0, "max_grad_norm": "inf"},
    "true or false": {"do_regression": False, "lora_merge": False, "disable_tqdm": True, "bf16_full_eval": False},
    "list": {"label_names": ["a b", "c,d", ""], "include_for_metrics": ["loss"]},
    "empty text": {"text_column_delimiter": ""},
}


@pytest.mark.parametrize("name", ODD)
def test_every_value_comes_back_as_it_was_given(name, record):
    flags = ODD[name]
    assert repeated(record(flags)) == flags


@pytest.mark.parametrize("name", ODD)
def test_what_a_command_gives_is_recorded_in_the_form_that_is_read(name, record):
    """From the words of a shell to run.json and back."""
    words = []
    for flag, value in ODD[name].items():
        values = value if isinstance(value, list) else [value]
        words += [f"--{flag}", *values] if isinstance(value, list) else [f"--{flag}={value}"]
    typed = dict(read_flags([*words]).values)
    assert typed == ODD[name]
    assert repeated(record(json.loads(json.dumps(typed)))) == typed


def test_a_preset_is_recorded_with_its_content_and_can_be_deleted(record, preset):
    path = preset(learning_rate="1e-4", class_weights={"a": 2, "b": 1}, tune_thresholds="global", seed=7, bf16=True)
    typed = dict(read_flags([path, "--seed", "8", "--thresholds", "0.3"]).values)
    Path(path).unlink()
    assert typed == {
        "learning_rate": 1e-4, "class_weights": '{"a": 2, "b": 1}', "seed": 8, "thresholds": "0.3", "precision": "bf16",
    }  # fmt: skip
    assert repeated(record(typed)) == typed


@pytest.mark.parametrize("preset", sorted((ROOT / "presets").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_preset_of_this_recipe_comes_back_as_it_was(preset, record):
    given = read_flags([str(preset)])
    again = read_flags([record(dict(given.values))])
    assert (again.values, again.trainer, again.data) == (given.values, given.trainer, given.data)
    assert again.repeats.changes == ()


def test_run_json_may_be_the_first_word_as_a_preset_is(record):
    path = record({"seed": 5})
    assert read_flags([path]).values == read_flags(["--config", path]).values == {"seed": 5}
    assert read_flags([path, "--config", path]).values == {"seed": 5}


def test_flags_that_are_typed_replace_those_of_then_and_are_named(record):
    flags = read_flags([record({"seed": 5, "learning_rate": 0.1, "loss": "focal"}), "--seeds", "1,2", "--loss=focal"])
    assert flags.values == {"seeds": "1,2", "learning_rate": 0.1, "loss": "focal"}
    assert flags.notes[0] == "flags replace those of then: seed"
    assert flags.repeats.changes == ("--seed: 5 then, not given now", "--seeds: not given then, 1,2 now")


def test_nothing_changes_by_another_output_folder(record):
    path = record({"seed": 5, "output_dir": "out"})
    assert read_flags([path, "--output_dir", "new", "--overwrite_output_dir"]).repeats.changes == ()


@pytest.mark.parametrize(
    "flag", ["resume", "overwrite_output_dir", "dry_run", "push_to_hub", "inject_fault", "resume_anyway"]
)
def test_what_belongs_to_that_one_run_is_not_repeated(flag, record):
    value = {"resume": "auto", "inject_fault": "kill@step=3"}.get(flag, True)
    flags = read_flags([record({"seed": 5, flag: value})])
    assert flags.values == {"seed": 5} and f"not repeated: --{flag}" in flags.notes
    assert not [note for note in read_flags([record({"seed": 5, flag: False})]).notes if "repeated" in note]


def test_the_name_of_a_push_goes_with_the_push(record, train):
    push = {"push_to_hub": True, "hub_model_id": "me/model", "hub_token": "<redacted>", "hub_strategy": "end"}
    path = record(push | {"push_report": True})
    flags = checked_flags([path, *train])
    assert flags.notes == ("not repeated: --push_to_hub, --hub_token, --hub_model_id, --push_report",)


def test_a_secret_is_left_out_and_named_unless_it_is_typed(record):
    path = record({"token": "<redacted>", "seed": 3})
    flags = read_flags([path])
    assert flags.values == {"seed": 3} and "left out: --token. Secrets" in flags.notes[0]
    assert read_flags([path, "--token", "hf_another"]).notes == ()


def test_a_value_with_a_secret_in_it_must_be_typed_again(record):
    """Without its file, the run would be another one."""
    path = record({"train_file": "https://<redacted>@host/a.csv"})
    words = [f"--config {path}", "--train_file https://<redacted>@host/a.csv", "Pass --train_file again"]
    assert_refused(words, read_flags, [path])
    assert read_flags([path, "--train_file", "b.csv"]).values == {"train_file": "b.csv"}


# --------------------------------------------------------------------------------------------------------------- paths


@pytest.fixture
def moved(tmp_path, monkeypatch):
    """The working directory of then, beside that of now."""
    for name in ("then", "now"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "now")
    return tmp_path / "then"


def test_paths_are_relative_to_the_working_directory_of_then(moved, record):
    (moved / "a.csv").write_text("then")
    (moved.parent / "now" / "a.csv").write_text("now")
    for name in ("model", "teacher"):
        (moved / name).mkdir()
    flags = {"train_file": "a.csv", "model_name_or_path": "model", "output_dir": "out", "class_weights": "w.json"}
    flags |= {"teacher": "teacher", "unlabelled_file": "texts.csv"}
    values = repeated(record(flags, working_directory=str(moved)))
    assert values == {name: str(moved / value) for name, value in flags.items()}


def test_a_local_model_that_is_gone_is_not_taken_from_the_hub(moved, record):
    flags = {"model_name_or_path": "model", "dataset_name": "owner/data"}
    read = {"model_name_or_path": [{"path": "model/config.json", "size": 2, "sha256": "1" * 64}]}
    values = repeated(record(flags, working_directory=str(moved), files=read))
    assert values == {"model_name_or_path": str(moved / "model"), "dataset_name": "owner/data"}


def test_a_file_that_is_only_here_is_used_with_a_line_that_names_it(moved, record):
    Path("a.csv").write_text("now")
    flags = read_flags([record({"train_file": "a.csv", "test_file": "/gone/a.csv"}, working_directory=str(moved))])
    assert flags.values == {"train_file": "a.csv", "test_file": "a.csv"}
    assert flags.notes[0] == f"--train_file a.csv: is not in {moved}; a.csv in {Path.cwd()} is used"
    assert flags.notes[1].startswith("--test_file /gone/a.csv: is not in /gone; a.csv in")


def test_a_file_that_is_nowhere_is_refused_as_usual(moved, record):
    path = record({"train_file": "a.csv"}, working_directory=str(moved))
    assert_refused([f"--train_file {moved}/a.csv", "there is no such file"], checked_flags, [path])
    Path("b.csv").write_text("text,label\na,b\n")
    assert checked_flags([path, "--train_file", "b.csv"]).data.train_file == "b.csv"


def test_names_on_the_hub_are_no_paths(moved, record):
    """Also where a folder of that name appeared later."""
    flags = {"model_name_or_path": "me/model", "dataset_name": "imdb", "class_weights": "balanced", "metric_name": "f1"}
    (moved / "me" / "model").mkdir(parents=True)
    path = record(flags, working_directory=str(moved), commits={"model_name_or_path": COMMIT})
    assert repeated(path) == flags | {"model_revision": COMMIT}
    (moved / "bilstm").mkdir()
    path = record({"model_name_or_path": "bilstm"}, working_directory=str(moved))
    assert repeated(path) == {"model_name_or_path": "bilstm"}


def test_results_go_to_a_folder_that_exists_where_the_machine_is_another(record):
    path = record({"output_dir": "out", "cache_dir": "/there"}, working_directory="/no/such/folder")
    assert repeated(path) == {"output_dir": "out", "cache_dir": "/there"}


# ------------------------------------------------------------------------------------------------------------- commits


def test_the_commit_of_then_is_used_where_the_branch_may_have_moved(record):
    for flags, revision in (({}, "main"), ({"model_revision": "v1"}, "v1")):
        read = read_flags([record(flags | {"seed": 1}, commits={"model_name_or_path": COMMIT})])
        assert read.model.model_revision == COMMIT and read.repeats.changes == ()
        assert f"--model_revision {COMMIT}: the commit of then ({revision} may have moved since)" in read.notes


def test_another_revision_or_model_is_not_bound_to_the_commit_of_then(record):
    path = record({"model_name_or_path": "me/a", "model_revision": "v1"}, commits={"model_name_or_path": COMMIT})
    assert read_flags([path, "--model_revision", "v2"]).model.model_revision == "v2"
    flags = read_flags([path, "--model_name_or_path", "me/b"])
    assert flags.model.model_revision == "main" and "not repeated: --model_revision v1" in flags.notes[0]
    assert read_flags([path, "--model_name_or_path", "me/a"]).model.model_revision == COMMIT


def test_models_of_several_repositories_have_no_common_commit(record):
    commits = {"model_name_or_path": COMMIT, "tokenizer_name": OTHER}
    flags = read_flags([record({"tokenizer_name": "me/b"}, commits=commits)])
    assert flags.model.model_revision == "main" and "several repositories" in flags.notes[0]


def test_the_commit_of_a_data_set_is_that_of_then_unless_another_is_named(record):
    path = record({"dataset_name": "me/data", "seed": 1}, commits={"dataset_name": COMMIT})
    for words, commit in (([], COMMIT), (["--dataset_name", "me/data"], COMMIT), (["--dataset_name", "me/x"], None)):
        flags = read_flags([path, *words])
        assert flags.repeats.dataset_commit(flags.values) == commit


# --------------------------------------------------------------------------------------------------- what is no record


BROKEN = {  # content of run.json -> words of the error
    b"": ["cannot be read as JSON", "copy"],
    b'{"format": 2, "command": [': ["cannot be read as JSON", "copy"],
    b"\xff\xfe{": ["cannot be read as JSON", "copy"],
    b"[" * 100_000: ["nested too deep"],
    b"null": ["is not the run.json of a run", "--output_dir"],
    b'[{"seed": 1}]': ["is not the run.json of a run"],
    b'{"id": 3, "accuracy": 0.5}': ["is not the run.json of a run"],
    b'{"format": 3, "command": [], "flags": {"seed": 1}}': ["newer version (format 3", "Update"],
    b'{"format": "2b", "command": [], "flags": {"seed": 1}}': ["newer version"],
    b'{"format": 2, "command": [], "flags": [1]}': ["has no `flags`"],
    b'{"format": 2, "command": []}': ["has no `flags`"],
    b'{"format": 2, "command": [], "flags": {"label_names": [[1]]}}': ["flags: label_names: must be a single value"],
    b'{"format": 2, "command": [], "flags": {"sede": 1}}': ["--sede: there is no such flag", "seed"],
    b'{"format": 2, "command": [], "flags": {"seed": "many"}}': ["--seed", "many"],
    b'{"format": 2, "command": [], "flags": {"loss": "cubic"}}': ["--loss", "cubic", "focal"],
    b'{"command": 3, "arguments": {}}': ["lacks the command or the arguments"],
    b'{"command": ["x"], "arguments": []}': ["lacks the command or the arguments"],
    b'{"format": 2, "command": [], "flags": {}, "not_repeatable": "is one part of the study."}': ["is one part"],
}


@pytest.mark.parametrize("content", BROKEN, ids=range(len(BROKEN)))
def test_a_file_that_cannot_be_repeated_is_refused_in_one_line(content, tmp_path):
    path = tmp_path / "run.json"
    path.write_bytes(content)
    assert_refused([f"--config {path}", *BROKEN[content]], read_flags, ["--config", str(path)])
    assert_refused(BROKEN[content], read_flags, [str(path)])


def test_a_folder_and_a_missing_run_json_are_refused_with_the_file_to_give(record, tmp_path):
    path = record({"seed": 4})
    assert_refused(["is a folder", f"--config {path}"], read_flags, [os.path.dirname(path)])
    assert_refused(["no such file", "--output_dir of a run"], read_flags, [str(tmp_path / "no" / "run.json")])


def test_a_preset_may_be_json_and_have_any_name(tmp_path):
    for name in ("run.json", "preset.json"):
        (tmp_path / name).write_text('{"seed": 4, "learning_rate": "1e-4"}')
        flags = read_flags([str(tmp_path / name)])
        assert flags.values == {"seed": 4, "learning_rate": 1e-4} and flags.repeats is None


def test_a_record_may_have_any_name(record):
    path = Path(record({"seed": 4}))
    path.rename(path.with_name("best.json"))
    assert read_flags([str(path.with_name("best.json"))]).repeats.flags == {"seed": 4}
