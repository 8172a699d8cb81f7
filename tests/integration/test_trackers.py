"""What `--report_to` leaves in TensorBoard and MLflow, read back from their files."""

from __future__ import annotations

import json
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest

from classification.errors import Stopped
from run_classification import main

needs_mlflow = pytest.mark.skipif(
    find_spec("mlflow") is None, reason="mlflow is not installed (requirements-extras.txt)"
)
SECRET = "hf_abcdefghijklmnopqrstuvwx"


def events(folder: Path):
    """The events of one run of TensorBoard."""
    module = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="tensorboard is not installed"
    )
    (run,) = [path for path in (folder / "runs").iterdir() if path.is_dir()]
    return module.EventAccumulator(str(run)).Reload()


def steps(read, tag: str) -> list[int]:
    return [event.step for event in read.Scalars(tag)]


def test_tensorboard_has_curves_final_metrics_and_all_flags(finished):
    run = finished(report_to="tensorboard", num_train_epochs=2, logging_steps=2, token=SECRET)
    read = events(run.folder)
    assert steps(read, "train/loss") == [2, 4, 6, 8, 10, 12, 14, 16] and steps(read, "eval/loss") == [8, 16]
    for tag, key in (("test/accuracy", "test_accuracy"), ("eval/final_loss", "eval_loss")):
        (event,) = read.Scalars(tag)
        assert event.step == 16 and event.value == pytest.approx(run.results[key])
    flags = json.loads(read.Tensors("args/text_summary")[0].tensor_proto.string_val[0])
    assert flags["train_file"].endswith(".csv") and flags["learning_rate"] == 0.005 and flags["calibrate"] is True
    assert flags["token"] == "<redacted>" and SECRET not in json.dumps(flags)
    assert {"_hparams_/experiment", "_hparams_/session_start_info"} <= set(read.summary_metadata)
    assert SECRET.encode() not in b"".join(path.read_bytes() for path in (run.folder / "runs").rglob("*events*"))


def test_a_stopped_run_goes_on_in_the_same_folder_and_repeats_nothing(command, tmp_path):
    flags = {"report_to": "tensorboard", "num_train_epochs": 2, "logging_steps": 1}
    with pytest.raises(Stopped):
        main(command(**flags, inject_fault="stop@step=11"))
    main(command(**flags, resume="auto"))
    main(command(**flags, resume="auto"))  # finished: nothing to log
    read = events(tmp_path / "out")
    assert steps(read, "train/loss") == [*range(1, 17)] and steps(read, "eval/loss") == [8, 16]
    for tag in read.Tags()["scalars"]:
        if tag != "train/epoch":  # it comes with every entry
            assert max(Counter(steps(read, tag)).values()) == 1, tag


def test_the_runs_of_a_study_have_curves_of_their_own(command, tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    main(command(report_to="tensorboard", seeds="1,2", logging_dir=tmp_path / "logs", max_train_samples=16))
    assert {path.name for path in (tmp_path / "logs").iterdir()} == {"seed-1", "seed-2"}
    for seed in ("seed-1", "seed-2"):
        assert len(list((tmp_path / "logs" / seed).iterdir())) == 1


def test_an_evaluation_alone_is_logged_and_a_tracker_changes_no_weight(command, finished, tmp_path):
    tracked = finished(report_to="tensorboard", num_train_epochs=2, logging_steps=2, token=SECRET)
    plain = finished(num_train_epochs=2, logging_steps=2, token=SECRET)
    assert (tracked.folder / "model.safetensors").read_bytes() == (plain.folder / "model.safetensors").read_bytes()
    again = {"train_file": None, "validation_file": None, "max_seq_length": None, "do_predict": True}
    main(command(**again, model_name_or_path=plain.folder, report_to="tensorboard"))
    (event,) = events(tmp_path / "out").Scalars("test/accuracy")
    assert event.step == 0


@needs_mlflow
def test_mlflow_has_one_run_per_seed_with_flags_curves_and_final_metrics(command, tmp_path, monkeypatch):
    import mlflow

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    flags = {"report_to": "mlflow", "seeds": "1,2", "run_name": "mine", "num_train_epochs": 2, "logging_steps": 1}
    with pytest.raises(Stopped):
        main(command(**flags, inject_fault="stop@save=4:begin"))  # of the second seed
    main(command(**flags, resume="auto"))
    runs = {run.info.run_name: run for run in mlflow.search_runs(output_format="list")}
    assert set(runs) == {"mine-seed-1", "mine-seed-2"} and mlflow.active_run() is None
    for run in runs.values():
        assert run.info.status == "FINISHED" and run.data.tags["study"] == "mine"
        assert run.data.params["max_seq_length"] == "32" and run.data.params["learning_rate"] == "0.005"
        history = mlflow.MlflowClient().get_metric_history
        assert [entry.step for entry in history(run.info.run_id, "loss")] == [*range(1, 17)]
        assert [entry.step for entry in history(run.info.run_id, "test_accuracy")] == [16]
