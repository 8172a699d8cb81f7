"""Whole runs that resume: as another run they are refused, a finished one stays as it is, an unfinished one ends."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

import pytest
import torch
from corpus import make_rows, write_csv
from helpers import account, assert_refused

from classification.errors import UsageError
from classification.training.resume_guard import LATER
from run_classification import main

RESULTS = ("run.json", "all_results.json", "predictions.csv", "model.safetensors", "curves.svg")
TIMES = {"train_runtime", "train_samples_per_second", "train_steps_per_second"}


@pytest.fixture(scope="module")
def whole(finished) -> Path:
    """A run of two epochs; its finished figures are read by every test."""
    return finished(num_train_epochs=2).folder


@pytest.fixture
def copied(whole, tmp_path) -> Path:
    """The same run in this test's own output folder."""
    return copy(whole, tmp_path / "out")


def copy(source: Path, target: Path) -> Path:
    shutil.copytree(source, target)
    for path in (target, *target.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return target


def state_of(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Time of change and bytes of every file."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


def results_of(folder: Path) -> dict:
    results = json.loads((folder / "all_results.json").read_text(encoding="utf-8"))
    return {name: value for name, value in results.items() if name not in TIMES}


def kill_in_the_second_epoch(folder: Path) -> None:
    """Make a run of two epochs look like one that was killed after the first."""
    shutil.rmtree(folder / "checkpoint-16")
    for name in RESULTS:
        (folder / name).unlink(missing_ok=True)


def forget(checkpoint: Path) -> None:
    """Make a checkpoint look like one of the first version."""
    for name in ("manifest.json", "run_state.json"):
        (checkpoint / name).unlink()


# --------------------------------------------------------------------------------------------------------- another run


@pytest.fixture
def renamed(tmp_path) -> dict[str, str]:
    """The same texts with other names of the labels."""
    sizes = {"train": (64, 1), "validation": (24, 2), "test": (24, 3)}
    return {
        f"{split}_file": write_csv(tmp_path / f"renamed_{split}.csv", make_rows(*size, labels=("apple", "zebra")))
        for split, size in sizes.items()
    }


@pytest.mark.parametrize("is_old", [False, True], ids=["sealed", "of the first version"])
@pytest.mark.parametrize("anyway", [False, True])
def test_other_labels_are_refused(command, copied, renamed, is_old, anyway):
    if is_old:
        forget(copied / "checkpoint-16")
    before = state_of(copied)
    words = ["labels: ", '["negative", "positive"]', '["apple", "zebra"]', "another --output_dir", "no resumed run"]
    assert_refused(words, main, command(num_train_epochs=2, resume="auto", resume_anyway=anyway, **renamed))
    assert state_of(copied) == before


def test_another_learning_rate_is_refused_and_each_remedy_works(command, copied, tmp_path):
    other = {"num_train_epochs": 2, "learning_rate": 1e-9}
    kill_in_the_second_epoch(copied)
    words = [
        "--learning_rate: the checkpoint was trained with 0.005, this run has 1e-09",
        "--resume_anyway",
        "old values",
    ]
    assert_refused(words, main, command(**other, resume="auto"))
    main(command(num_train_epochs=2, resume="auto", logging_steps=3))  # the old value, and a flag that is free
    assert [entry["step"] for entry in account(copied)["log_history"] if "loss" in entry] == [9, 12, 15]
    main(command(**other, output_dir=tmp_path / "other"))
    kill_in_the_second_epoch(copied)
    main(command(**other, resume="auto", resume_anyway=True))
    assert account(copied)["resumed_anyway"][0]["step"] == 8


@pytest.mark.parametrize("resume", ["checkpoint-8", "checkpoint-8/"])
def test_a_checkpoint_in_another_folder_is_guarded_too(command, whole, tmp_path, resume):
    flags = {"num_train_epochs": 2, "resume": f"{whole}/{resume}", "output_dir": tmp_path / "new"}
    assert_refused(["--weight_decay", "0.01", "0.5"], main, command(**flags, weight_decay=0.5))
    main(command(**flags))
    assert (tmp_path / "new" / "predictions.csv").read_bytes() == (whole / "predictions.csv").read_bytes()


def test_a_dry_run_says_no_where_the_run_would(command, copied):
    assert_refused(["--seed", "42", "7"], main, command(num_train_epochs=2, resume="auto", dry_run=True, seed=7))


def test_more_epochs_after_the_end_are_named(command, copied):
    words = ["--num_train_epochs: the checkpoint was trained with 2.0, this run has 3", "--resume_anyway"]
    assert_refused(words, main, command(num_train_epochs=3, resume="auto"))


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ({"num_train_epochs": 1}, "the checkpoint has done 16, and this run has 8"),
        ({"seed": 7}, "state of the random numbers"),
        ({"optim": "sgd"}, "optimizer's state does not fit"),
        ({"lr_scheduler_type": "reduce_lr_on_plateau"}, "schedule's state does not fit"),
        ({"freeze": "encoder"}, "optimizer's state does not fit"),
        ({"lora_r": 2}, "weights of the checkpoint do not fit"),
        ({"metric_for_best_model": "accuracy"}, "the best value so far is that of the other metric"),
    ],
)
def test_what_no_resumed_run_can_change_is_refused_in_spite_of_resume_anyway(command, copied, flags, reason):
    given = {"num_train_epochs": 2, "resume": "auto", "resume_anyway": True} | flags
    with pytest.raises(UsageError) as refused:
        main(command(**given))
    assert reason in str(refused.value) and "or pass --resume_anyway" not in str(refused.value)


@pytest.mark.parametrize(
    ("then", "now", "rate"),
    [
        ({}, {"learning_rate": 1e-4}, 1e-4 * 7 / 14),
        ({"lr_scheduler_type": "constant"}, {"learning_rate": 1e-4}, 1e-4),
        ({"lr_scheduler_type": "reduce_lr_on_plateau"}, {"learning_rate": 1e-4}, 1e-4),
        ({}, {"weight_decay": 0.3, "adam_beta1": 0.8}, 0.005 * 7 / 14),
    ],
)
def test_resume_anyway_uses_the_new_values_and_lists_them(command, tmp_path, capsys, then, now, rate):
    """Step 9 of 16 with 2 steps of warmup: 7 of 14 steps are left after step 9."""
    flags = {"num_train_epochs": 2, "logging_steps": 1, **then}
    main(command(**flags))
    kill_in_the_second_epoch(tmp_path / "out")
    capsys.readouterr()
    main(command(**flags | now, resume="auto", resume_anyway=True))
    shown, record = capsys.readouterr().out, account(tmp_path / "out")
    for name, value in now.items():
        assert f"--resume_anyway: --{name}: the checkpoint was trained with" in shown
        assert record["arguments"]["trainer"][name] == value
    assert [entry["step"] for entry in record["resumed_anyway"]] == [8]
    rates = {entry["step"]: entry["learning_rate"] for entry in record["log_history"] if "learning_rate" in entry}
    assert rates[10] == pytest.approx(rate)
    groups = torch.load(tmp_path / "out" / "checkpoint-16" / "optimizer.pt", weights_only=True)["param_groups"]
    assert [group["weight_decay"] for group in groups] == [now.get("weight_decay", 0.01), 0]
    assert all(group["betas"][0] == now.get("adam_beta1", 0.9) for group in groups)


def test_without_a_checkpoint_resume_auto_starts(command, tmp_path, whole):
    main(command(num_train_epochs=2, resume="auto"))
    assert (tmp_path / "out" / "predictions.csv").read_bytes() == (whole / "predictions.csv").read_bytes()


# ------------------------------------------------------------------------------------------------------------ finished

KINDS = {
    "plain": {},
    "stopped early": {"early_stopping_patience": 1, "learning_rate": 1e-9, "num_train_epochs": 4},
    "in the middle of an epoch": {"max_steps": 11, "eval_strategy": "steps", "eval_steps": 5},
    "without checkpoints": {"save_strategy": "no", "load_best_model_at_end": False},
    "adapters": {"lora_r": 2, "lora_merge": False},
    "baselines": {"baselines": "majority"},
}


@pytest.mark.parametrize("flags", KINDS.values(), ids=KINDS)
def test_a_finished_run_stays_as_it_is(command, tmp_path, capsys, flags):
    first = main(command(**{"num_train_epochs": 2} | flags))
    before = state_of(tmp_path / "out")
    capsys.readouterr()
    again = main(command(**{"num_train_epochs": 2} | flags, resume="auto", save_total_limit=7))
    shown = capsys.readouterr().out
    assert f"this run is finished: nothing to do; its results are in {tmp_path / 'out'}" in shown
    assert "[Epoch" not in shown and f"{first['test_loss']:.4f}" in shown
    assert state_of(tmp_path / "out") == before
    assert again == json.loads((tmp_path / "out" / "all_results.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["plain", "without checkpoints"])
def test_a_finished_run_from_before_a_flag_existed_is_the_same_run(command, tmp_path, capsys, name):
    flags = {"num_train_epochs": 2} | KINDS[name]
    main(command(**flags))
    record = account(tmp_path / "out")
    for flag in LATER:
        assert record["fingerprint"].pop(flag) is None
    (tmp_path / "out" / "run.json").write_text(json.dumps(record), encoding="utf-8")
    before = state_of(tmp_path / "out")
    main(command(**flags, resume="auto"))
    assert "this run is finished: nothing to do" in capsys.readouterr().out
    problem = "--average: the checkpoint was trained with nothing, this run has ema"
    assert_refused([problem], main, command(**flags, resume="auto", average="ema"))
    assert state_of(tmp_path / "out") == before


@pytest.mark.parametrize("name", ["plain", "stopped early", "in the middle of an epoch", "adapters"])
def test_a_run_that_was_killed_after_training_gets_the_same_results(command, tmp_path, capsys, name):
    flags = {"num_train_epochs": 2} | KINDS[name]
    main(command(**flags))
    killed = copy(tmp_path / "out", tmp_path / "killed")
    for file in RESULTS:
        (killed / file).unlink(missing_ok=True)
    capsys.readouterr()
    main(command(**flags, output_dir=killed, resume="auto"))
    assert "[Epoch" not in capsys.readouterr().out
    assert results_of(killed) == results_of(tmp_path / "out")
    assert len(account(killed)["epochs"]) == len(account(tmp_path / "out")["epochs"]) > 0
    for file in {"predictions.csv", "model.safetensors", "adapter_model.safetensors"}:
        with contextlib.suppress(FileNotFoundError):
            assert (killed / file).read_bytes() == (tmp_path / "out" / file).read_bytes()


def test_a_finished_run_that_is_asked_for_more_adds_it_and_trains_nothing(command, copied, tmp_path, capsys):
    more = write_csv(tmp_path / "more.csv", make_rows(10, 9))
    main(command(num_train_epochs=2, resume="auto", test_file=more, baselines="majority"))
    shown = capsys.readouterr().out
    assert "--baselines: nothing then, majority now): nothing is trained" in shown and "[Epoch" not in shown
    assert "test rows: 24 rows (" in shown
    assert results_of(copied)["test_samples"] == 10 and account(copied)["finished"] is True


def test_a_run_is_marked_as_finished_last(command, tmp_path, monkeypatch):
    """A kill while the results are completed leaves a run that is not finished."""
    import classification.experiments.closing as closing

    monkeypatch.setattr(closing, "mark_finished", lambda result: None)
    main(command(num_train_epochs=1))
    assert "finished" not in account(tmp_path / "out")


def test_a_finished_run_without_checkpoints_is_guarded(command, tmp_path):
    flags = KINDS["without checkpoints"]
    main(command(**flags))
    before = state_of(tmp_path / "out")
    assert_refused(["--learning_rate", "0.005", "0.1"], main, command(**flags, resume="auto", learning_rate=0.1))
    more = {"baselines": "majority", "resume": "auto"}
    words = ["no checkpoint", "--baselines: nothing then, majority now", "--do_predict --model_name_or_path"]
    assert_refused(words, main, command(**flags, **more))
    assert state_of(tmp_path / "out") == before


def test_a_finished_prediction_stays_as_it_is(command, whole, tmp_path, capsys):
    flags = {"train_file": None, "validation_file": None, "max_seq_length": None, "do_predict": True}
    main(command(**flags, model_name_or_path=whole))
    before = state_of(tmp_path / "out")
    main(command(**flags, model_name_or_path=whole, resume="auto"))
    assert "this run is finished" in capsys.readouterr().out and state_of(tmp_path / "out") == before


def test_a_finished_run_of_the_first_version_stays_as_it_is(command, copied, capsys):
    for checkpoint in copied.glob("checkpoint-*"):
        forget(checkpoint)
    record = account(copied)
    for name in ("fingerprint", "decisions", "asked", "finished"):
        del record[name]
    (copied / "run.json").write_text(json.dumps(record), encoding="utf-8")
    before = state_of(copied)
    main(command(num_train_epochs=2, resume="auto"))
    shown = capsys.readouterr().out
    assert "does not say what it was trained with" in shown and "this run is finished" in shown
    assert state_of(copied) == before
    assert_refused(["--num_train_epochs", "2", "3"], main, command(num_train_epochs=3, resume="auto"))
    assert_refused(["--learning_rate", "1e-09"], main, command(num_train_epochs=2, resume="auto", learning_rate=1e-9))


# ----------------------------------------------------------------------------------------------------------- decisions


def test_a_resumed_run_decides_as_it_began(command, tmp_path, monkeypatch, capsys):
    """On a machine that now measures other ratios, the run goes on in the number format of its beginning."""
    from classification.models import precision
    from classification.models.kernels import cpu_attention

    flags = {"num_train_epochs": 2, "precision": "auto"}
    monkeypatch.setattr(precision, "bf16_instructions", lambda: "avx512_bf16")
    monkeypatch.setattr(cpu_attention, "bf16_instructions", lambda: "avx512_bf16")
    for ratio, name in ((9.0, "whole"), (9.0, "killed")):
        monkeypatch.setattr(precision, "speed_of_bf16", lambda ratio=ratio: ratio)
        monkeypatch.setattr(cpu_attention, "speed_of_pieces", lambda dtype, ratio=ratio: ratio)
        main(command(**flags, output_dir=tmp_path / name))
    decided = account(tmp_path / "whole")["decisions"]
    assert decided["precision"] == "bf16" and decided["attention"] == "sdpa_in_pieces_bf16_fp32"
    kill_in_the_second_epoch(tmp_path / "killed")
    monkeypatch.setattr(precision, "speed_of_bf16", lambda: 0.1)
    monkeypatch.setattr(cpu_attention, "speed_of_pieces", lambda dtype: 0.1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 77)
    main(command(**flags, output_dir=tmp_path / "killed", resume="auto"))
    assert account(tmp_path / "killed")["decisions"] == decided
    assert "then, 77 now; the result may differ" in capsys.readouterr().out
    for file in ("predictions.csv", "model.safetensors"):
        assert (tmp_path / "killed" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()
    assert_refused(["--precision", "bf16", "fp32"], main,
                   command(**flags | {"precision": "fp32"}, output_dir=tmp_path / "killed", resume="auto"))  # fmt: skip
