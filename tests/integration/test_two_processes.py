"""Two processes train the model that one process trains, and stop together. One launch serves most tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from corpus import long_rows, make_rows, write_csv
from helpers import ROOT, SGD, account, assert_epochs_agree, largest_difference, read_predictions, run_in_two_processes

from run_classification import main

FIGURES = ("train_loss", "train_accuracy", "eval_loss", "eval_accuracy", "eval_f1_micro")


def several_labels(folder) -> dict:
    """27 rows per split with up to two labels each."""
    files = {}
    for split in ("train", "validation", "test"):
        rows = [row | {"label": "|".join(["odd"] * (i % 2) + ["third"] * (i % 3 == 0))}
                for i, row in enumerate(make_rows(27, seed=len(split)))]  # fmt: skip
        files[f"{split}_file"] = write_csv(folder / f"several_{split}.csv", rows)
    return files | {
        "label_delimiter": "|",
        "class_weights": "balanced",
        "tune_thresholds": "global",
        "average": "ema",
        "label_smoothing_factor": 0.1,
    }


def words(flags: dict) -> list[str]:
    return [f"--{name}={value}" for name, value in flags.items()]


def common_flags(tiny_model, shared_files) -> dict:
    return {
        "model_name_or_path": tiny_model, **shared_files, "max_seq_length": 32, "num_train_epochs": 2,
        "precision": "fp32", "disable_tqdm": True, **SGD,
    }  # fmt: skip


def stopping_cases(folder: Path) -> dict[str, dict]:
    """Cases in which only the main process finds something, writes or works."""
    rows = make_rows(64)
    repeated = write_csv(folder / "repeated.csv", [row | {"text": "good film"} for row in rows])
    no_words = write_csv(folder / "signs.csv", [row | {"text": "!?" * (1 + i % 9)} for i, row in enumerate(rows)])
    (folder / "file").write_text("")
    return {
        "a finding": {"train_file": repeated, "strict": True},
        "a finding of check_data": {"train_file": repeated, "strict": True, "check_data": True},
        "check_data": {"check_data": True, "suspect_labels": True},
        "dry_run": {"dry_run": True},
        "work after training": {"train_file": no_words, "baselines": "majority,nb_svm,frozen_encoder",
                                "suspect_labels": True, "num_train_epochs": 1, "learning_curve": "50"},
        "a folder that is a file": {"output_dir": folder / "file"},
    }  # fmt: skip


@pytest.fixture(scope="session")
def runs(tiny_model, shared_files, tmp_path_factory) -> dict:
    """Case -> folders of the run in one process and in two. 27 rows over 2 x 4 leave a last batch of 3."""
    folder = tmp_path_factory.mktemp("two_processes")
    uneven = {split: write_csv(folder / f"{split}.csv", make(27, seed))
              for split, make, seed in (("plain", make_rows, 5), ("long", long_rows, 4))}  # fmt: skip
    long_files = {f"{split}_file": write_csv(folder / f"long_{split}.csv", long_rows(20, seed))
                  for split, seed in (("validation", 2), ("test", 3))}  # fmt: skip
    cases = {
        "one label": {"train_file": uneven["plain"], "label_smoothing_factor": 0.1, "layerwise_lr_decay": 0.5},
        "several labels": several_labels(folder),
        "windows": {"train_file": uneven["long"], **long_files, "truncation_strategy": "window", "max_seq_length": 16},
    }
    common = common_flags(tiny_model, shared_files)
    two = []
    for case, flags in cases.items():
        main(words(common | flags | {"per_device_train_batch_size": 8, "output_dir": folder / case / "one"}))
        cut = {"per_device_train_batch_size": 4, "output_dir": folder / case / "two"}
        two.append(words(common | flags | cut))
    two.append([f"--config={folder / 'one label' / 'two' / 'run.json'}", f"--output_dir={folder / 'repeated'}"])
    for case, flags in stopping_cases(folder).items():
        two.append(words(common | {"output_dir": folder / case} | flags))
    run_in_two_processes(*two)
    return {case: (folder / case / "one", folder / case / "two") for case in cases} | {"folder": folder}


@pytest.mark.parametrize("case", ["one label", "several labels", "windows"])
def test_two_processes_equal_one(runs, case):
    one, two = runs[case]
    assert largest_difference(one, two) < 1e-5
    assert_epochs_agree(one, two, keys=FIGURES)
    assert account(two)["results"]["train_loss"] == pytest.approx(account(one)["results"]["train_loss"], rel=1e-5)
    first, second = read_predictions(one), read_predictions(two)
    assert [list(row.values())[:4] for row in first] == [list(row.values())[:4] for row in second]


def test_two_processes_average_the_weights_that_one_averages(runs):
    one, two = (account(folder)["average"] for folder in runs["several labels"])
    assert one["of"] == two["of"] == "8 steps" and one["kept"] == two["kept"]
    assert one["figures"] == pytest.approx(two["figures"], abs=1e-5)


@pytest.mark.parametrize("case", ["one label", "several labels", "windows"])
def test_two_processes_find_the_neighbours_that_one_finds(runs, case):
    one, two = (json.loads((folder / "neighbours.json").read_text(encoding="utf-8")) for folder in runs[case])
    assert one["rows"].keys() == two["rows"].keys() and one["searched"] == two["searched"]
    for row, found in one["rows"].items():
        values = [value for _, value, _ in two["rows"][row]["nearest"]]
        assert [value for _, value, _ in found["nearest"]] == pytest.approx(values, abs=3e-4)


def test_two_processes_repeat_a_run_bit_for_bit_and_one_process_is_named_as_a_difference(runs, tmp_path, capsys):
    first, second = runs["one label"][1], runs["folder"] / "repeated"
    assert largest_difference(first, second) == 0 and account(first)["weights"] == account(second)["weights"]
    assert (first / "predictions.csv").read_bytes() == (second / "predictions.csv").read_bytes()
    assert account(second)["machine"]["processes"] == 2
    main(["--config", str(first / "run.json"), "--output_dir", str(tmp_path / "one"), "--dry_run"])
    assert "processes: 2 then, 1 now" in capsys.readouterr().out


def results_of(runs, name: str) -> list:
    """What the two processes returned, or the messages of their errors."""
    return [json.loads((runs["folder"] / f"{name}.result-{rank}.json").read_text()) for rank in (0, 1)]


@pytest.mark.parametrize("case", ["a finding", "a finding of check_data", "a folder that is a file"])
def test_what_one_process_finds_stops_both_with_one_message(runs, case):
    first, second = results_of(runs, "file" if "file" in case else case)
    assert first == second and ("is a file" if "file" in case else "--strict: data checks failed") in first
    assert not (runs["folder"] / case / "model.safetensors").exists()


def test_the_main_process_alone_checks_the_data(runs):
    first, second = results_of(runs, "check_data")
    assert first["rows"]["train"] == 64 and second == {}
    assert sorted(os.listdir(runs["folder"] / "check_data")) == ["data_checks.json", "suspect_labels.csv"]


def test_a_dry_run_of_two_processes_leaves_nothing(runs):
    assert all("dry_run_loss" in result for result in results_of(runs, "dry_run"))
    assert not (runs["folder"] / "dry_run").exists()


def test_both_processes_finish_where_the_main_one_works_after_training(runs):
    first, second = results_of(runs, "work after training")
    assert first["eval_accuracy"] == second["eval_accuracy"]
    methods = account(runs["folder"] / "work after training")["baselines"]
    assert "absent" in methods["nb_svm"] and methods["frozen_encoder"]["test_accuracy"] > 0.4


def test_both_processes_train_the_points_of_a_learning_curve(runs):
    folder = runs["folder"] / "work after training"
    curve = json.loads((folder / "learning_curve.json").read_text(encoding="utf-8"))
    assert [(point["percent"], point["rows"]) for point in curve["points"]] == [(50, 32), (100, 64)]
    assert account(folder / "learning_curve" / "50-percent")["machine"]["processes"] == 2


def test_two_processes_wait_beyond_the_time_limit_and_end_with_code_2(tiny_model, shared_files, tmp_path):
    repeated = write_csv(tmp_path / "repeated.csv", [row | {"text": "good film"} for row in make_rows(64)])
    flags = {"train_file": repeated, "strict": True, "output_dir": tmp_path / "out"}
    line = words(common_flags(tiny_model, shared_files) | flags)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    done = subprocess.run(
        [*launch, str(ROOT / "tests" / "integration" / "two_processes.py"), json.dumps([line]), "exit"],
        capture_output=True, text=True, timeout=240, env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert [(tmp_path / f"out.exit-{rank}").read_text() for rank in (0, 1)] == ["2", "2"], done.stderr
    assert done.stderr.count("error: --strict: data checks failed") == 1, done.stderr
    assert "Traceback" not in done.stderr.partition("error: --strict")[0]
