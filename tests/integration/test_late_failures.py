"""Whatever fails after training: the weights, the predictions and run.json are there, and the failure is one line."""

from __future__ import annotations

import json
from contextlib import nullcontext
from unittest.mock import Mock

import pytest
import torch
from corpus import make_rows, write_csv
from helpers import MODEL_FILES, RUN_FILES, TRAINED_FILES, account, read_predictions

import classification.errors
from classification.data.statistics_format import FILE as STATISTICS
from classification.errors import RunError, UsageError
from classification.experiments import closing, neighbours, run_pages
from classification.models import calibrated_head
from classification.reporting import plots, run_result, scores, summary
from classification.training import phases
from classification.training.trainer import ClassificationTrainer
from run_classification import main


@pytest.fixture(autouse=True)
def forgiving(monkeypatch):
    """As in a user's run."""
    monkeypatch.setattr(classification.errors, "FORGIVING", True)


@pytest.fixture
def fail(monkeypatch):
    """A function: the function `name` of `place` raises `error` from now on."""

    def fail(place, name: str, error: BaseException, patch=monkeypatch) -> None:
        def failing(*arguments, **keywords):
            raise error

        patch.setattr(place, name, failing)

    return fail


COSMETIC = [
    (ClassificationTrainer, "best_summary", RecursionError("too deep")),
    (plots, "draw_curves", KeyError("epoch")),
    (plots, "draw_confusion", ValueError("no font")),
    (ClassificationTrainer, "throughput", ZeroDivisionError("division by zero")),
    (closing, "end_workers", OSError(32, "Broken pipe")),
    (closing, "next_steps", FileNotFoundError("config.json")),
    (run_pages, "draw_report", TypeError("a bug")),
    (run_pages, "write_card", UnicodeEncodeError("utf-8", "x", 0, 1, "surrogates")),
    (neighbours, "find_neighbours", ValueError("nan")),
    (scores, "spread_and_slices", ZeroDivisionError("division by zero")),
    (calibrated_head, "fold", AttributeError("out_proj")),
    (summary, "log_metrics", KeyError("loss")),
    (closing, "log_results", AssertionError()),
    (closing, "log_equality", TypeError("no number")),
]


def test_what_only_decorates_costs_nothing_else(command, fail, tmp_path, capsys):
    """All of it at once: each is a warning, and the run ends well."""
    for place, name, error in COSMETIC:
        fail(place, name, error)
    main(command(num_train_epochs=2))
    shown = capsys.readouterr().out
    warnings = {line for line in shown.splitlines() if line.startswith("warning:") and "is missing" in line}
    both_splits = 1  # the intervals of validation and of test
    inside = 1  # `log_metrics` is a part of `log_results`
    assert len(warnings) == len(COSMETIC) + both_splits - inside, warnings
    missing = {"curves.svg", "confusion_matrix.svg", "report.html", "README.md", "neighbours.json"}
    names = {path.name for path in (tmp_path / "out").iterdir() if path.is_file()}
    assert names == (TRAINED_FILES | RUN_FILES) - missing
    assert json.loads((tmp_path / "out" / "run.json").read_text())["finished"]


@pytest.mark.parametrize("error", [MemoryError(), RecursionError("too deep"), KeyError("x")], ids=repr)
def test_what_the_user_asked_for_is_named_at_the_end(command, fail, tmp_path, error):
    fail(scores, "score_predictions", error)
    fail(closing, "report_label_errors", error)
    fail(closing, "compare_with_baselines", error)
    fail(phases, "fit_decisions", error)
    with pytest.raises(RunError) as ended:
        main(command(suspect_labels=True, baselines="naive_bayes", save_total_limit=1))
    text = str(ended.value)
    words = ("metrics of validation", "metrics of test", "--suspect_labels", "--baselines", "--resume auto")
    assert not [word for word in words if word not in text] and "\n" not in text
    assert len(read_predictions(tmp_path / "out")) == 24
    assert "finished" not in json.loads((tmp_path / "out" / "run.json").read_text())


UNTIL_SAVED = {  # what can fail between training and the saved model, and what it is called
    "chosen_checkpoint": "the record of the best checkpoint",
    "selection_of": "the record of --average",
    "needs_validation": "calibration and decisions",
    "training_statistics": STATISTICS,
    "calibrated_head": "calibration in the saved weights",
    "few_logits": "calibration in the saved weights",
}


@pytest.mark.parametrize("name", UNTIL_SAVED)
def test_what_fails_between_training_and_the_saved_model_costs_only_itself(name, command, fail, tmp_path, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(phases, name, Mock(side_effect=MemoryError()))
        with pytest.raises(RunError, match=f"without {UNTIL_SAVED[name]}; .*--resume auto"):
            main(command(average="last=2", num_train_epochs=2))
    out = tmp_path / "out"
    assert {"model.safetensors", "predictions.csv", "run.json"} <= {path.name for path in out.iterdir()}
    assert "finished" not in account(out) and len(read_predictions(out)) == 24
    main(command(average="last=2", num_train_epochs=2, resume="auto"))
    assert account(out)["finished"] and (out / STATISTICS).is_file()
    assert json.loads((out / "config.json").read_text())["calibration"]["in_the_weights"] is True
    assert {"checkpoint", "average", "temperature"} <= {each["what"] for each in account(out)["selections"]}


PASSING = {  # what is missing -> the function that fails, and its error
    "neighbours.json": (neighbours, "find_neighbours", MemoryError()),
    "confusion_matrix.svg": (plots, "draw_confusion", MemoryError()),
    "intervals and slices of test": (scores, "spread_and_slices", MemoryError()),
    "calibration in the saved weights": (calibrated_head, "fold", torch.OutOfMemoryError("CUDA out of memory.")),
    "report.html": (run_pages, "draw_report", OSError(5, "Input/output error")),
    "the course of training in run.json": (run_result.RunResult, "add_training", KeyError("log_history")),
}


@pytest.mark.parametrize(("part", "failing"), PASSING.items(), ids=PASSING)
def test_what_an_error_of_disk_or_memory_costs_is_added_by_resuming(
    command, monkeypatch, fail, tmp_path, capsys, part, failing
):
    with monkeypatch.context() as patch:
        fail(*failing, patch)
        with pytest.raises(RunError, match=rf"without .*{part}.*--resume auto"):
            main(command(num_train_epochs=2))
    out = tmp_path / "out"
    record = json.loads((out / "run.json").read_text())
    assert "finished" not in record and record["results"] == json.loads((out / "all_results.json").read_text())
    capsys.readouterr()
    main(command(num_train_epochs=2, resume="auto"))
    assert "[Epoch" not in capsys.readouterr().out
    assert {path.name for path in out.iterdir() if path.is_file()} == TRAINED_FILES | RUN_FILES
    assert {"finished", "epochs", "log_history"} <= json.loads((out / "run.json").read_text()).keys()


@pytest.mark.parametrize("error", [MemoryError(), ValueError("a bug")], ids=repr)
def test_a_record_that_cannot_be_made_costs_run_json_and_what_is_made_of_it(command, fail, tmp_path, error):
    fail(run_result, "run_record", error)
    with pytest.raises(RunError, match="without neighbours.json, run.json;"):
        main(command())
    assert {"model.safetensors", "predictions.csv", "all_results.json"} <= {
        path.name for path in (tmp_path / "out").iterdir()
    }


def test_a_prediction_that_fails_is_one_line_and_keeps_what_was_found(command, monkeypatch, tmp_path):
    predict = scores.predict_split

    def failing(trainer, corpus, encoded, split):
        if split == "test":
            raise ValueError("a bug\nin two lines")
        return predict(trainer, corpus, encoded, split)

    monkeypatch.setattr(scores, "predict_split", failing)
    with pytest.raises(RunError, match=r"^The prediction of test failed: ValueError: a bug. What was found before"):
        main(command())
    assert {"model.safetensors", "run.json", "all_results.json"} <= {path.name for path in (tmp_path / "out").iterdir()}
    assert "eval_loss" in json.loads((tmp_path / "out" / "all_results.json").read_text())
    monkeypatch.undo()
    result = main(command(resume="auto"))
    assert result["test_samples"] == 24


def test_a_push_that_fails_is_one_line_after_everything_else(command, fail, tmp_path):
    fail(closing, "push_model", UsageError("--push_to_hub: the model is saved, but it was not pushed"))
    with pytest.raises(UsageError, match="not pushed"):
        main(command())
    assert MODEL_FILES | {"run.json", "predictions.csv"} <= {path.name for path in (tmp_path / "out").iterdir()}


def test_a_kill_while_a_finished_run_gets_other_results_leaves_an_unfinished_run(command, tmp_path, monkeypatch):
    """Its predictions may be those of the other command: the first command makes its own again."""
    main(command())
    out, other = tmp_path / "out", write_csv(tmp_path / "other.csv", make_rows(10, 9))
    before = (out / "predictions.csv").read_bytes()
    with monkeypatch.context() as killed, pytest.raises(KeyboardInterrupt):
        killed.setattr(closing, "results_written", lambda *_: nullcontext())
        killed.setattr("run_classification.close_run", Mock(side_effect=KeyboardInterrupt))
        main(command(resume="auto", test_file=other))
    assert (out / "predictions.csv").read_bytes() != before and "finished" not in account(out)
    main(command(resume="auto"))
    assert (out / "predictions.csv").read_bytes() == before and account(out)["finished"] is True
