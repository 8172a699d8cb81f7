"""scripts/adapt_pretrain.py: what is lost is said, and a training goes on, or is finished, only as what it was."""

from __future__ import annotations

import json
import os
import shutil
import signal

import adapt_pretrain
import pytest
from corpus import make_rows, write_csv
from helpers import file_times, largest_difference, make_bert, make_tokenizer

from classification.errors import RunError, Stopped, UsageError
from classification.experiments import adapt_encoder, resuming_adaptation
from classification.training import disk_space, sealed_checkpoints
from classification.training.pretraining import PretrainingTrainer

NO_CHECKPOINTS = {"save_strategy": "no", "load_best_model_at_end": False}


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> dict[str, object]:
    """Flags of a training of 8 steps, with an evaluation and a checkpoint every 2."""
    folder = tmp_path_factory.mktemp("base")
    make_bert(hidden_dropout_prob=0.1).bert.save_pretrained(folder / "encoder")
    make_tokenizer(mask_token="[MASK]").save_pretrained(folder / "encoder")
    return {
        "model_name_or_path": folder / "encoder", "train_file": write_csv(folder / "train.csv", make_rows(96, 1)),
        "validation_file": write_csv(folder / "validation.csv", make_rows(24, 2)), "max_seq_length": 16,
        "max_steps": 8, "eval_strategy": "steps", "eval_steps": 2, "save_strategy": "steps", "save_steps": 2,
        "precision": "fp32", "per_device_train_batch_size": 4, "learning_rate": 1e-3, "disable_tqdm": True,
    }  # fmt: skip


@pytest.fixture
def words(base, tmp_path):
    """A function that builds a command line; keywords add or replace flags."""
    return lambda **flags: [f"--{k}={v}" for k, v in (base | {"output_dir": tmp_path / "out"} | flags).items()]


@pytest.fixture
def forgiving(monkeypatch):
    monkeypatch.setattr("classification.errors.FORGIVING", True)


def refuse(*args, **kwargs):
    raise OSError(28, "No space left on device")


def test_a_lost_best_checkpoint_is_an_error_and_the_training_is_not_finished(
    words, tmp_path, monkeypatch, forgiving, capsys
):
    with monkeypatch.context() as patched:
        patched.setattr(sealed_checkpoints, "damage_of", lambda *args, **kwargs: "its weights are damaged")
        with pytest.raises(RunError, match=r"without the best checkpoint, .*damaged.*--resume auto: it continues from"):
            adapt_pretrain.main(words())
    record = json.loads((tmp_path / "out" / "pretraining.json").read_text())
    assert record["lost"] and (tmp_path / "out" / "model.safetensors").exists()
    assert adapt_pretrain.main(words(resume="auto"))["steps"] == 8
    assert "nothing to do" not in capsys.readouterr().out
    assert not json.loads((tmp_path / "out" / "pretraining.json").read_text())["lost"]


@pytest.mark.parametrize(("name", "part"), [("write_json", "pretraining.json"), ("write_card", "README.md"),
                                            ("copy_sentence_files", "the description of the pooling")])  # fmt: skip
def test_a_file_that_the_disk_refuses_is_an_error_after_all_others_are_written(
    name, part, words, tmp_path, monkeypatch, forgiving, capsys
):
    with monkeypatch.context() as patched:
        patched.setattr(adapt_encoder, name, refuse)
        with pytest.raises(RunError, match=f"without {part}.*--resume auto"):
            adapt_pretrain.main(words())
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"model.safetensors", "README.md", "pretraining.json"} - {part} <= files and part not in files
    capsys.readouterr()
    adapt_pretrain.main(words(resume="auto"))
    assert "nothing to do" not in capsys.readouterr().out
    record = json.loads((tmp_path / "out" / "pretraining.json").read_text(encoding="utf-8"))
    assert not record["lost"] and (tmp_path / "out" / "README.md").exists()


def test_an_error_in_the_figures_of_speed_costs_these_alone(words, tmp_path, monkeypatch, forgiving, capsys):
    monkeypatch.setattr(PretrainingTrainer, "throughput", lambda self: {}["missing"])
    adapt_pretrain.main(words())
    assert "speed is missing: KeyError" in capsys.readouterr().out
    assert json.loads((tmp_path / "out" / "pretraining.json").read_text())["results"]["steps"] == 8


def test_the_masks_of_validation_stay_those_of_the_checkpoint(words, tmp_path):
    with pytest.raises(Stopped):
        adapt_pretrain.main(words(inject_fault="stop@step=5"))
    with pytest.raises(UsageError, match="--shuffle_seed: the checkpoint was trained with 42, this run has 7"):
        adapt_pretrain.main(words(resume="auto", shuffle_seed=7))


def test_without_validation_the_seed_of_its_masks_is_free(words):
    flags = {**NO_CHECKPOINTS, "eval_strategy": "no", "save_strategy": "steps", "validation_file": ""}
    flags = words(**flags)
    flags.remove("--validation_file=")
    with pytest.raises(Stopped):
        adapt_pretrain.main([*flags, "--inject_fault=stop@step=5"])
    assert adapt_pretrain.main([*flags, "--resume=auto", "--shuffle_seed=7"])["steps"] == 8


@pytest.mark.parametrize("removed", [False, True])
def test_a_training_that_is_finished_without_a_checkpoint_stays_as_it_is(words, tmp_path, capsys, removed):
    flags = {} if removed else NO_CHECKPOINTS
    results, out = adapt_pretrain.main(words(**flags)), tmp_path / "out"
    for checkpoint in out.glob("checkpoint-*"):
        shutil.rmtree(checkpoint)
    before = file_times(out)
    capsys.readouterr()
    assert adapt_pretrain.main(words(**flags, resume="auto")) == results and file_times(out) == before
    printed = capsys.readouterr().out
    assert "this training is finished: nothing to do" in printed and "training starts" not in printed
    with pytest.raises(UsageError, match="is another run. --learning_rate: .*another --output_dir"):
        adapt_pretrain.main(words(**flags, resume="auto", learning_rate=0.1))
    (out / "model.safetensors").unlink()
    with pytest.raises(UsageError, match="holds another run"):
        adapt_pretrain.main(words(**flags, resume="auto"))


def test_a_finished_training_needs_no_room_on_the_disk(words, monkeypatch):
    results = adapt_pretrain.main(words())
    monkeypatch.setattr(disk_space, "free_bytes", lambda folder: 0)
    assert adapt_pretrain.main(words(resume="auto")) == results
    with pytest.raises(UsageError, match="0 GB are free"):
        adapt_pretrain.main(words(resume="auto", max_steps=10, resume_anyway=True))


def test_other_threads_than_those_of_the_checkpoint_are_said(words, monkeypatch, capsys):
    with pytest.raises(Stopped):
        adapt_pretrain.main(words(inject_fault="stop@step=5"))
    now = resuming_adaptation.environment()
    changed = now | {"machine": now["machine"] | {"threads": 99}}
    monkeypatch.setattr(resuming_adaptation, "environment", lambda: changed)
    adapt_pretrain.main(words(resume="auto"))
    captured = capsys.readouterr()
    assert "since the checkpoint has changed: threads: " in captured.out + captured.err


def test_a_stop_after_the_last_step_waits_for_the_model_where_no_checkpoint_has_it(words, tmp_path, monkeypatch):
    adapt_pretrain.main(words(**NO_CHECKPOINTS, output_dir=tmp_path / "whole"))
    real = adapt_encoder.save_final_model

    def interrupted(trainer):
        os.kill(os.getpid(), signal.SIGTERM)
        real(trainer)

    monkeypatch.setattr(adapt_encoder, "save_final_model", interrupted)
    with pytest.raises(Stopped):
        adapt_pretrain.main(words(**NO_CHECKPOINTS))
    assert largest_difference(tmp_path / "whole", tmp_path / "out") == 0
    assert (tmp_path / "out" / "pretraining.json").exists()


def test_a_training_that_goes_back_keeps_the_last_checkpoint_of_its_earlier_course(words, tmp_path):
    """A newer one takes its name in the last save."""
    adapt_pretrain.main(words())
    out = tmp_path / "out"
    adapt_pretrain.main(words(resume=out / "checkpoint-6", resume_anyway=True, learning_rate=0.1))
    assert {path.suffix for path in out.glob("checkpoint-8*")} == {"", ".superseded"}
