"""`--config OUT/run.json` repeats a run bit for bit, and names everything that differs from then."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

import huggingface_hub
import pytest
from corpus import make_rows, write_csv
from helpers import account, assert_refused, make_bert, run_captured, weights

from classification.cli.parser import parse_arguments
from run_classification import main

SAME = "are bit for bit those of the run that was repeated"


def repeat(folder: Path, new: Path, capsys, *words: str) -> str:
    """Repeat the run in `folder`, and return what is printed."""
    capsys.readouterr()
    main(["--config", str(folder / "run.json"), "--output_dir", str(new), *words])
    return capsys.readouterr().out


def assert_equal(first: Path, second: Path, *, name: str = "predictions.csv") -> None:
    one, other = weights(first), weights(second)
    assert one.keys() == other.keys() and all(one[key].equal(other[key]) for key in one)
    assert (first / name).read_bytes() == (second / name).read_bytes()
    assert account(first)["weights"] == account(second)["weights"]


RUNS = {  # flags beside those of `command`
    "plain": {},
    "mapping, schedule as JSON": {
        "class_weights": '{"negative": 3, "positive": 1}', "lr_scheduler_type": "cosine_with_restarts",
        "lr_scheduler_kwargs": '{"num_cycles": 2}', "seed": 7,
    },
    "split and sample": {"validation_file": None, "max_train_samples": 40, "shuffle_seed": 3, "bf16": False},
    "adapters, windows": {"lora_r": 2, "lora_merge": False, "truncation_strategy": "window", "max_seq_length": 8},
    "lstm": {"model_name_or_path": "bilstm", "gradient_accumulation_steps": 2},
}  # fmt: skip


@pytest.mark.parametrize("name", RUNS)
def test_a_repeated_run_has_the_weights_and_predictions_of_then(name, finished, tmp_path, capsys):
    first = finished(**RUNS[name])
    shown = repeat(first.folder, tmp_path / "new", capsys)
    assert SAME in shown and "nothing differs from the run in" in shown and "is bit for bit the same" in shown
    if name != "adapters, windows":
        assert_equal(first.folder, tmp_path / "new")
    assert account(tmp_path / "new")["weights"] == first.account["weights"]
    ours = {name: value for name, value in account(tmp_path / "new")["flags"].items() if name != "output_dir"}
    assert ours == {name: value for name, value in first.account["flags"].items() if name != "output_dir"}


def test_names_of_columns_and_classes_may_have_any_letters(command, tmp_path, capsys):
    """A comma and quotes in names of columns, a newline and unicode in those of classes."""
    text, label, classes = 'text, "long"\n标题', "ein, label", {"negative": "non\npositif, «a»", "positive": "肯定"}
    rows = [{text: row["text"], label: classes[row["label"]]} for row in make_rows(48, 1)]
    file = write_csv(tmp_path / "a 'b'.csv", rows)
    words = command(
        train_file=file, validation_file=None, test_file=None, text_column_names='"text, ""long""\n标题"',
        label_column_name=label, class_weights=json.dumps(dict(zip(classes.values(), (2, 1), strict=True))),
    )  # fmt: skip
    main(words)
    assert SAME in repeat(tmp_path / "out", tmp_path / "new", capsys)


@pytest.fixture
def preset_run(tiny_model, files, tmp_path, monkeypatch):
    """A run from a preset that was changed after it, with relative paths; the working directory is then another."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "presets").mkdir()
    preset = tmp_path / "presets" / "p.yaml"
    preset.write_text(
        "train_file: ../train.csv\nvalidation_file: ../validation.csv\ntest_file: ../test.csv\nprecision: fp32\n"
        "learning_rate: 5e-3\nclass_weights: {negative: 2, positive: 1}\nnum_train_epochs: 1\ndisable_tqdm: yes\n"
        "pooling: mean\nsave_total_limit:\nlora_merge: yes\nlora_r: 2\n"
    )
    shutil.copytree(tiny_model, tmp_path / "model")
    main(["presets/p.yaml", "--model_name_or_path", "model", "--output_dir", "out", "--seed", "3"])
    preset.write_text("learning_rate: 1\n")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path / "out"


def test_a_preset_is_repeated_from_another_folder_though_the_preset_has_changed(preset_run, tmp_path, capsys):
    shown = repeat(preset_run, tmp_path / "new", capsys)
    assert SAME in shown and "nothing differs from the run in" in shown
    assert_equal(preset_run, tmp_path / "new")


def test_every_change_since_then_is_named_before_training(preset_run, tmp_path, capsys, monkeypatch):
    record = account(preset_run)
    record["versions"]["torch"], record["machine"]["threads"], record["git_commit"] = "1.0", 96, "0" * 40
    record["machine"]["processor"] = "Z80"
    (preset_run / "run.json").write_text(json.dumps(record))
    write_csv(tmp_path / "train.csv", make_rows(60, 9))
    config = tmp_path / "model" / "config.json"
    config.write_text(
        config.read_text().replace('"attention_probs_dropout_prob": 0.0', '"attention_probs_dropout_prob": 0.1')
    )
    shown = repeat(preset_run, tmp_path / "new", capsys, "--learning_rate", "0.006")
    title, _, end = shown.partition("[Epoch 1/1]")
    for words in (
        r"--learning_rate: 0.005 then, 0.006 now", r"--train_file: \S+train.csv has other contents \(\d+ bytes then",
        r"--model_name_or_path: \S+model/config.json has other contents", r"torch: 1.0 then", r"threads: 96 then",
        r"git commit of the recipe: 0{40} then", r"processor: Z80 then",
    ):  # fmt: skip
        assert re.search(words, title.partition("differences from the run in")[2]), words
    assert "validation.csv has" not in title and "python:" not in title
    assert "metrics differ from the run that was repeated" in end and re.search(r"test_loss: \S+ then, \S+ now \(", end)
    assert "weights: model.safetensors differs" in end


def test_the_folder_of_then_is_refused_and_both_remedies_work(command, tmp_path, capsys):
    main(command())
    path = str(tmp_path / "out" / "run.json")
    assert_refused(["holds another run", "--resume auto", "Choose another"], main, [path])
    before = weights(tmp_path / "out")
    main([path, "--resume", "auto"])
    assert SAME in repeat(tmp_path / "out", tmp_path / "out", capsys, "--overwrite_output_dir")
    assert all(before[name].equal(value) for name, value in weights(tmp_path / "out").items())
    assert (tmp_path / "out.bak-1" / "run.json").is_file()


def test_a_repeated_run_can_be_repeated(finished, tmp_path, capsys):
    first = finished().folder
    repeat(first, tmp_path / "second", capsys)
    assert SAME in repeat(tmp_path / "second", tmp_path / "third", capsys)
    assert_equal(first, tmp_path / "third")


@pytest.fixture(scope="module")
def study(tiny_model, shared_files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("study") / "out"
    files = {name: value for name, value in shared_files.items() if name != "validation_file"}
    flags = {"model_name_or_path": tiny_model, **files, "output_dir": str(folder), "seeds": "3,4"}
    quick = {
        "max_seq_length": 32,
        "num_train_epochs": 1,
        "learning_rate": 0.005,
        "precision": "fp32",
        "disable_tqdm": True,
    }
    return run_captured([f"--{name}={value}" for name, value in {**flags, **quick}.items()], folder)


def test_a_study_of_seeds_is_repeated(study, tmp_path, capsys):
    shown = repeat(study.folder, tmp_path / "new", capsys)
    assert SAME in shown and shown.count("nothing differs from the run in") == 1
    assert_equal(study.folder, tmp_path / "new")


def test_one_seed_of_a_study_is_repeated_alone(study, tmp_path, capsys):
    best = study.results["best"]
    assert SAME in repeat(study.folder / best, tmp_path / "new", capsys)
    assert account(tmp_path / "new")["flags"]["seed"] == int(best[-1])
    assert_equal(study.folder, tmp_path / "new")


def test_folds_are_repeated_together_and_not_alone(command, tmp_path, capsys):
    main(command(validation_file=None, test_file=None, folds=2))
    assert SAME in repeat(tmp_path / "out", tmp_path / "new", capsys)
    name = "oof.csv"
    assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "new" / name).read_bytes()
    path = str(tmp_path / "out" / "fold-1" / "run.json")
    assert_refused([f"--config {path}", "one part of a larger run", "folder of the study"], parse_arguments, [path])


def test_a_prediction_is_repeated(finished, tmp_path, capsys, shared_files):
    model = finished().folder
    words = ["--do_predict", "--model_name_or_path", str(model), "--test_file", shared_files["test_file"]]
    main([*words, "--output_dir", str(tmp_path / "p"), "--disable_tqdm", "true", "--precision", "fp32"])
    assert SAME in repeat(tmp_path / "p", tmp_path / "again", capsys)
    assert (tmp_path / "p" / "predictions.csv").read_bytes() == (tmp_path / "again" / "predictions.csv").read_bytes()


def test_the_commit_of_then_is_loaded_though_the_branch_has_moved(command, tiny_model, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    folder, old, new = tmp_path / "cache" / "models--me--model", "a" * 40, "b" * 40
    shutil.copytree(tiny_model, folder / "snapshots" / old)
    make_bert(hidden_size=16).bert.save_pretrained(shutil.copytree(tiny_model, folder / "snapshots" / new))
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(old)
    main(command(model_name_or_path="me/model", cache_dir=tmp_path / "cache"))
    (folder / "refs" / "main").write_text(new)
    shown = repeat(tmp_path / "out", tmp_path / "new", capsys)
    assert f"--model_revision {old}: the commit of then (main may have moved since)" in shown and SAME in shown
    assert "nothing differs from the run in" in shown and account(tmp_path / "new")["commits"] == {
        "model_name_or_path": old
    }
    moved = repeat(tmp_path / "out", tmp_path / "moved", capsys, "--model_revision", "main")
    assert f"model_name_or_path: {old} then, {new} now" in moved and "metrics differ" in moved


def test_a_dry_run_names_what_differs_and_writes_nothing(finished, tmp_path, capsys):
    shown = repeat(finished().folder, tmp_path / "new", capsys, "--dry_run", "--seed", "5")
    assert "--seed: not given then, 5 now" in shown and not (tmp_path / "new").exists()


def test_a_run_of_the_first_version_is_repeated(finished, tmp_path, capsys):
    """Its run.json has the command, and neither flags nor digests."""
    record = finished().account
    kept = ("command", "arguments", "python", "platform", "git_commit", "data", "seeds", "results")
    (tmp_path / "old").mkdir()
    first = {name: record[name] for name in kept} | {"versions": {"torch": "2.13.0"}}
    (tmp_path / "old" / "run.json").write_text(json.dumps(first))
    shown = repeat(tmp_path / "old", tmp_path / "new", capsys)
    assert SAME in shown and "run.json does not record: contents of files" in shown
    assert_equal(finished().folder, tmp_path / "new")


def test_run_json_has_the_digest_of_every_file_that_was_read(finished, tiny_model, shared_files):
    record = finished().account
    for flag, path in shared_files.items():
        content = Path(path).read_bytes()
        digest = {"path": path, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        assert record["files"][flag] == [digest]
    names = {Path(entry["path"]).name for entry in record["files"]["model_name_or_path"]}
    assert names == {path.name for path in Path(tiny_model).iterdir()}
    saved = hashlib.sha256((finished().folder / "model.safetensors").read_bytes()).hexdigest()
    assert record["weights"] == {"model.safetensors": saved}
