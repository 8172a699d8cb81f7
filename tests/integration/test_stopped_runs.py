"""A signal ends a run of the command line in any phase: what is left, what is printed, and how it continues."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time

import pytest
import torch
from helpers import ROOT, largest_difference, read_predictions

import run_classification
from classification.errors import Stopped
from classification.experiments import search, seeds_and_folds
from classification.training import phases
from run_classification import main

TWO_EPOCHS = {"num_train_epochs": 2}  # of 8 steps


def stopped(arguments, code: int = 143) -> str:
    """The message of a run that a signal stops."""
    with pytest.raises(Stopped) as stop:
        main(arguments)
    assert stop.value.code == code
    return str(stop.value)


def sends(name: str, function):
    """`function`, which sends this process a signal when it is called."""

    def send(*args, **kwargs):
        os.kill(os.getpid(), getattr(signal, name))
        return function(*args, **kwargs)

    return send


def start(arguments, **options) -> subprocess.Popen:
    environment = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    return subprocess.Popen(
        [sys.executable, str(ROOT / "run_classification.py"), *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, **options,
    )  # fmt: skip


def test_the_printed_command_continues_the_run(command, tmp_path):
    """Of a real process, which exits with the code of the signal."""
    main(command(**TWO_EPOCHS, output_dir=tmp_path / "whole"))
    flags = {**TWO_EPOCHS, "inject_fault": "stop@step=10", "overwrite_output_dir": True, "token": "hf_" + "a" * 30}
    process = start(command(**flags))
    shown, errors = process.communicate(timeout=200)
    assert process.returncode == 143, shown + errors
    assert "stopped after step 10 of 16" in errors and "Traceback" not in errors and "hf_aaa" not in errors
    assert not (tmp_path / "out" / "model.safetensors").exists()
    words = shlex.split(errors.rstrip().splitlines()[-1])
    assert words[:2] == ["python", str(ROOT / "run_classification.py")] and words[-2:] == ["--resume", "auto"]
    main(words[2:])
    assert largest_difference(tmp_path / "whole", tmp_path / "out") == 0
    assert read_predictions(tmp_path / "whole") == read_predictions(tmp_path / "out")


def test_ctrl_c_reaches_all_processes_of_a_terminal_and_none_prints_a_traceback(command, tmp_path):
    """Loader workers get it too."""
    process = start(command(num_train_epochs=500, dataloader_num_workers=2), start_new_session=True)
    for _ in range(3000):
        if (tmp_path / "out" / "checkpoint-8").exists() or process.poll() is not None:
            break
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    shown, errors = process.communicate(timeout=100)
    assert process.returncode == 130, shown + errors
    assert "Ctrl-C: stopped after step" in errors and "Traceback" not in shown + errors
    with pytest.raises(ProcessLookupError):  # no worker lives on
        os.killpg(process.pid, 0)


@pytest.mark.parametrize("phase", ["load_corpus", "encode_corpus", "build_trainer"])
def test_before_training_a_run_ends_at_once_and_leaves_nothing(phase, command, tmp_path, monkeypatch):
    monkeypatch.setattr(run_classification, phase, sends("SIGTERM", getattr(run_classification, phase)))
    assert stopped(command()).startswith("SIGTERM: stopped before training.")
    assert not (tmp_path / "out").exists()


def test_before_training_the_run_in_the_folder_stays(command, tmp_path, monkeypatch):
    main(command())
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    monkeypatch.setattr(run_classification, "encode_corpus", sends("SIGTERM", run_classification.encode_corpus))
    stopped(command(overwrite_output_dir=True, seed=7))
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("phase", ["evaluate", "predict", "close_run"])
def test_after_training_the_run_is_finished_by_resuming(phase, command, tmp_path, monkeypatch):
    main(command(output_dir=tmp_path / "whole"))
    with monkeypatch.context() as patched:
        patched.setattr(run_classification, phase, sends("SIGTERM", getattr(run_classification, phase)))
        assert "--resume auto" in stopped(command())
    main(command(resume="auto"))
    assert largest_difference(tmp_path / "whole", tmp_path / "out") == 0
    assert read_predictions(tmp_path / "whole") == read_predictions(tmp_path / "out")


def test_a_program_that_calls_main_gets_a_keyboard_interrupt(command, tmp_path):
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(KeyboardInterrupt, match="stopped after step 3 of 8"):
        main(command(inject_fault="interrupt@step=3"))
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert main(command(resume="auto"))["eval_accuracy"] >= 0  # the next run is not disturbed


def test_a_study_stops_with_its_run(command, tmp_path):
    message = stopped(command(inject_fault="stop@step=3", seeds="1,2"))
    assert "seed-1/checkpoint-3 is saved" in message and "--resume auto" in message
    assert not (tmp_path / "out" / "seed-2").exists()
    assert not (tmp_path / "out" / "all_results.json").exists()


def test_the_training_of_the_lstm_baseline_stops_too(command, tmp_path):
    message = stopped(command(baselines="bilstm", inject_fault="stop@step=9"))
    assert "bilstm/checkpoint-9" in message and "--resume auto" in message
    assert (tmp_path / "out" / "model.safetensors").exists()
    assert not (tmp_path / "out" / "baselines.json").exists()
    main(command(baselines="bilstm", resume="auto"))
    assert (tmp_path / "out" / "baselines.json").exists()


WITHOUT_CHECKPOINTS = {"save_strategy": "no", "load_best_model_at_end": False}


@pytest.mark.parametrize(
    ("place", "flags"),
    [("fit_decisions", WITHOUT_CHECKPOINTS), ("save_final_model", {"save_only_model": True})],
    ids=["none", "weights alone"],
)
def test_after_training_a_run_without_a_checkpoint_saves_its_model_first(
    place, flags, command, tmp_path, monkeypatch, capfd
):
    main(command(**flags, output_dir=tmp_path / "whole"))
    monkeypatch.setattr(phases, place, sends("SIGTERM", getattr(phases, place)))
    message = stopped(command(**flags))
    assert message.endswith(f"without a checkpoint to continue. The trained model is in {tmp_path / 'out'}.")
    assert "the run stops when the model is saved" in capfd.readouterr().err
    assert largest_difference(tmp_path / "whole", tmp_path / "out") == 0
    assert not (tmp_path / "out" / "predictions.csv").exists()


@pytest.mark.parametrize("phase", ["evaluate", "predict"])
def test_weights_alone_are_no_checkpoint_that_continues(phase, command, tmp_path, monkeypatch):
    monkeypatch.setattr(run_classification, phase, sends("SIGTERM", getattr(run_classification, phase)))
    message = stopped(command(save_only_model=True))
    assert "--resume" not in message and f"The trained model is in {tmp_path / 'out'}." in message


@pytest.mark.parametrize(
    ("flags", "module", "name"),
    [({"seeds": "1,2"}, seeds_and_folds, "record_end"), ({"search": 2}, search, "end_trial")],
    ids=["study", "search"],
)
def test_between_two_parts_a_command_is_continued(flags, module, name, command, tmp_path, monkeypatch):
    """The checkpoints of the finished part are deleted."""
    main(command(**flags, output_dir=tmp_path / "whole"))
    with monkeypatch.context() as patched:
        real = getattr(module, name)

        def end(*args, **kwargs):
            ended = real(*args, **kwargs)
            os.kill(os.getpid(), signal.SIGTERM)
            return ended

        patched.setattr(module, name, end)
        assert "--resume auto" in stopped(command(**flags))
    main(command(**flags, resume="auto"))
    assert largest_difference(tmp_path / "whole", tmp_path / "out") == 0


def test_the_lstm_beside_a_run_without_checkpoints_cannot_be_continued(command, tmp_path):
    message = stopped(command(baselines="bilstm", inject_fault="stop@step=9", **WITHOUT_CHECKPOINTS))
    assert "bilstm/checkpoint-9 is saved" in message and "--resume" not in message


def test_a_trial_shows_the_faults_and_the_lack_of_memory(command, capsys):
    main(command(search=2, max_train_samples=32, inject_fault="oom@train=3,oom@train=4"))
    shown = capsys.readouterr().out
    assert shown.count("warning: --inject_fault oom@train=3: now") == 1
    assert shown.count("warning: out of memory ") == 1


def test_with_adapters_and_windows_a_stopped_run_resumes_bitwise(command, tmp_path, long_files):
    flags = {**long_files, "truncation_strategy": "window", "max_seq_length": 16, "lora_r": 2, "lora_merge": True}
    main(command(**flags, output_dir=tmp_path / "whole"))
    stopped(command(**flags, inject_fault="stop@step=2"))
    main(command(**flags, resume="auto"))
    assert largest_difference(tmp_path / "whole", tmp_path / "out") == 0
