"""What a stopped run prints: what was saved, the command that continues, without secrets; and the exit code."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from pathlib import Path

import pytest

from classification.cli import usage_errors
from classification.cli.stopping import describe_stop, resume_words, stoppable
from classification.cli.usage_errors import exit_on_usage_error
from classification.errors import RunError, Stopped
from classification.models.kernels.allocator import own_process
from classification.system.stop_signals import SIGNALS
from classification.training.checkpoint_seal import seal

TOKEN = "hf_" + "a" * 30


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("--train_file a.csv", "--train_file a.csv"),
        ("presets/imdb.yaml --seed 1", "presets/imdb.yaml --seed 1"),
        ("--resume auto --seed 1", "--seed 1"),
        ("--seed 1 --resume=out/checkpoint-3", "--seed 1"),
        ("--resume_from_checkpoint out/checkpoint-3 --seed 1", "--seed 1"),
        ("--overwrite_output_dir --seed 1", "--seed 1"),
        ("--overwrite_output_dir true --seed 1", "--seed 1"),
        ("--overwrite-output-dir=True", ""),
        ("--seed 1 --overwrite_output_dir", "--seed 1"),
        ("--inject_fault stop@step=3 --seed 1", "--seed 1"),
        ("--resume_anyway --seed 1", "--resume_anyway --seed 1"),
        (f"--token {TOKEN} --seed 1", "--seed 1"),
        (f"--hub-token={TOKEN} --seed 1", "--seed 1"),
        ("--token secret123 --train_file a.csv", "--train_file a.csv"),
        ("--seeds 1 2 3", "--seeds 1 2 3"),
        ("--learning_rate -1", "--learning_rate -1"),
        ("--label_delimiter=|", "--label_delimiter=|"),
    ],
)
def test_the_command_that_continues(given, expected):
    assert resume_words(given.split()) == [*expected.split(), "--resume", "auto"]


@pytest.fixture
def saved(tmp_path):
    """A folder with a checkpoint."""
    (tmp_path / "saved" / "checkpoint-3").mkdir(parents=True)
    return tmp_path / "saved"


def test_it_can_be_pasted_into_a_shell(saved, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["run_classification.py"])
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    argv = ["--train_file", "my data/it's.csv", "--class_weights", '{"a b": 2}', "--label_delimiter", "|"]
    with own_process("x"):
        text = describe_stop(Stopped(143, "SIGTERM: stopped after step 3 of 8."), argv, saved)
    first, second, line = text.split("\n")
    assert first == "SIGTERM: stopped after step 3 of 8." and second == "Continue with:"
    assert shlex.split(line) == ["python", "run_classification.py", *argv, "--resume", "auto"]


def test_a_secret_is_left_out_and_named_as_missing(saved, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["run_classification.py"])
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    url = f"https://me:{TOKEN}@host/x.csv"
    with own_process("x"):
        text = describe_stop(Stopped(143, "SIGTERM."), ["--token", TOKEN, "--train_file", url], saved)
    assert TOKEN not in text and "without the secrets" in text and "--token" not in text


def test_several_processes_continue_with_their_launcher(saved, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "0")
    text = describe_stop(Stopped(143, "SIGTERM: stopped."), ["--seed", "1"], saved)
    assert text == "SIGTERM: stopped.\nContinue with the same launch and --resume auto."


WHOLE, WEIGHTS_ALONE = "checkpoint-3 of a run", "checkpoint-3 of --save_only_model"
GOES_ON = "Ctrl-C: stopped before the run was finished.\nContinue with the same arguments and --resume auto."
BEGINS_AGAIN = "Ctrl-C: stopped before the first checkpoint. The same command starts from the beginning."
TRAINED = "Ctrl-C: stopped after training, without a checkpoint to continue. The trained model is in"


def make_checkpoint(name: str, folder: Path) -> None:
    """A sealed checkpoint, or a file or folder of that name."""
    name, _, kind = name.partition(" of ")
    partial = folder / (name + ".partial")
    if not kind:
        (folder / name).mkdir(parents=True)
        return
    partial.mkdir(parents=True)
    (partial / "trainer_state.json").write_text('{"global_step": 3}')
    for file in ("model.safetensors", *(["optimizer.pt"] if kind == "a run" else [])):
        (partial / file).touch()
    seal(partial, folder / name)


@pytest.mark.parametrize(
    ("has_trained", "files", "expected"),
    [
        (False, [WHOLE], "Ctrl-C: stopped before training. Nothing is lost; the same command starts again."),
        (True, [WHOLE], GOES_ON),
        (True, [WHOLE, "model.safetensors"], GOES_ON),
        (True, ["checkpoint-3.partial"], BEGINS_AGAIN),
        (True, ["checkpoint-3.superseded-2"], BEGINS_AGAIN),
        (True, ["model.safetensors"], TRAINED),
        (True, [WEIGHTS_ALONE, "model.safetensors"], TRAINED),
        (True, [WEIGHTS_ALONE], "checkpoint-3 has the weights without the optimizer (--save_only_model)"),
        (True, [], BEGINS_AGAIN),
        (True, ["study_progress.json", "seed-1/model.safetensors"], GOES_ON),
        (True, ["search.json"], GOES_ON),
        (True, ["search/trial-001/run.json"], GOES_ON),
    ],
)
def test_what_is_left_decides_what_to_do(has_trained, files, expected, tmp_path, monkeypatch):
    monkeypatch.setattr(SIGNALS, "has_trained", has_trained)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    for name in files:
        make_checkpoint(name, tmp_path)
    text = describe_stop(KeyboardInterrupt(), [], tmp_path)
    assert expected in text and ("--resume auto" in text) == (expected == GOES_ON)


def test_a_stop_without_a_message_has_the_name_of_its_signal(tmp_path, monkeypatch):
    monkeypatch.setattr(SIGNALS, "has_trained", True)
    for code, name in ((130, "Ctrl-C"), (143, "SIGTERM")):
        assert describe_stop(Stopped(code), [], tmp_path).startswith(f"{name}: stopped before the first checkpoint.")


def test_a_checkpoint_without_an_optimizer_gets_no_command(saved, monkeypatch):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    stopped = Stopped(143, "only weights", can_resume=False)
    assert describe_stop(stopped, ["--seed", "1"], saved) == "only weights"
    (saved / "study_progress.json").touch()  # its other runs stay, and this one begins again
    assert "--resume auto" in describe_stop(stopped, ["--seed", "1"], saved)


def test_a_part_beside_a_run_without_checkpoints_gets_no_command(tmp_path):
    """The LSTM has a checkpoint. The run does not, and would be refused."""
    (tmp_path / "bilstm" / "checkpoint-3").mkdir(parents=True)
    assert describe_stop(Stopped(143, "checkpoint-3 is saved."), [], tmp_path) == "checkpoint-3 is saved."


# ------------------------------------------------------------------------------------------------- ends of the run


def send(name: str) -> None:
    os.kill(os.getpid(), getattr(signal, name))


def test_a_program_that_calls_main_gets_its_own_ctrl_c(tmp_path):
    """A notebook stays usable."""
    with pytest.raises(KeyboardInterrupt, match="stopped before training"):
        with stoppable([], tmp_path / "out", tmp_path / "out"):
            send("SIGINT")
    with pytest.raises(KeyboardInterrupt, match="after step 3"):
        with stoppable([], tmp_path / "out", tmp_path / "out"):
            raise Stopped(130, "Ctrl-C: stopped after step 3 of 8.")


def test_sigterm_ends_the_program(tmp_path):
    with pytest.raises(Stopped) as stopped, stoppable([], tmp_path / "out", tmp_path / "out"):
        send("SIGTERM")
    assert stopped.value.code == 143 and not stopped.value.is_shared
    assert str(stopped.value).startswith("SIGTERM: stopped before training.")


def test_empty_folders_of_this_run_are_removed(tmp_path):
    study, old = tmp_path / "study", tmp_path / "old"
    old.mkdir()
    for folder, guarded in ((study / "seed-1", study), (old, old)):
        with pytest.raises(Stopped), stoppable([], folder, guarded):
            folder.mkdir(parents=True, exist_ok=True)
            send("SIGTERM")
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_a_folder_with_a_file_stays(tmp_path):
    with pytest.raises(Stopped), stoppable([], tmp_path / "out", tmp_path / "out"):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "notes.txt").touch()
        send("SIGTERM")
    assert (tmp_path / "out" / "notes.txt").exists()


def test_two_runs_of_one_process_do_not_disturb_each_other(tmp_path):
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    for _ in range(2):
        with pytest.raises(Stopped), stoppable([], tmp_path / "out", tmp_path / "out"):
            send("SIGTERM")
        with stoppable([], tmp_path / "out", tmp_path / "out"):
            assert not SIGNALS.request and not SIGNALS.has_trained
    assert handlers == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


def ends(error: BaseException) -> int:
    """The exit code of a command that raises `error`."""

    def main() -> None:
        raise error

    with pytest.raises(SystemExit) as end:
        exit_on_usage_error(main)
    return end.value.code


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (Stopped(143, "SIGTERM: stopped after step 3.\nContinue with:\n  python x"), 143, "\n  python x\n"),
        (Stopped(130, "Ctrl-C: stopped"), 130, "Ctrl-C: stopped\n"),
        (KeyboardInterrupt(), 130, "Ctrl-C: stopped.\n"),
        (MemoryError(), 1, "error: out of memory"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
            1,
            "smaller model",
        ),
    ],
)
def test_an_end_is_printed_without_a_traceback(error, code, words, capsys):
    error.is_shared = False
    assert ends(error) == code
    shown = capsys.readouterr().err
    assert words in shown and "Traceback" not in shown


def test_another_error_of_the_runtime_keeps_its_traceback():
    with pytest.raises(RuntimeError, match="a bug"):
        exit_on_usage_error(lambda: (_ for _ in ()).throw(RuntimeError("a bug")))


def test_the_error_of_one_process_alone_is_printed_by_it(capsys, monkeypatch):
    """The others wait in an exchange, until the launcher ends them."""
    monkeypatch.setenv("RANK", "1")
    error = RunError("Out of memory while gradients were exchanged")
    error.is_shared = False
    assert ends(error) == 1 and "gradients were exchanged" in capsys.readouterr().err
    assert ends(Stopped(143, "stopped")) == 143 and not capsys.readouterr().err


def test_a_lack_of_memory_is_recognised_without_loading_torch(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch")
    assert usage_errors.lacks_memory(MemoryError()) and not usage_errors.lacks_memory(RuntimeError("x"))
