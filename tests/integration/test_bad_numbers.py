"""Numbers that cannot be: what diverged writes no table, and what fails after training costs only itself."""

from __future__ import annotations

import functools
import json

import pytest
from corpus import make_rows, several_rows, write_csv, write_splits
from helpers import AGAIN, MODEL_FILES, account, read_predictions, weights

import classification.errors
from classification.errors import RunError, UsageError
from run_classification import main


def failure_of(arguments) -> str:
    with pytest.raises(RunError) as failed:
        main(arguments)
    assert "\n" not in str(failed.value)
    return str(failed.value)


def results_in(folder) -> dict:
    return json.loads((folder / "all_results.json").read_text(encoding="utf-8"))


def files_in(folder) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_file()}


@pytest.fixture
def forgiving(monkeypatch):
    """Errors after training cost what they cost a user."""
    monkeypatch.setattr(classification.errors, "FORGIVING", True)


# --------------------------------------------------------------------------------------------------------- divergence


def test_a_training_that_diverges_names_its_rows_and_writes_no_results(command, tmp_path):
    text = failure_of(command(learning_rate=1e30, max_grad_norm=0, num_train_epochs=2))
    assert (
        text.startswith("Training diverged at step ") and "learning rate 1e+30, fp32): the loss is not finite" in text
    )
    assert "The 8 rows of this batch: r1-" in text and "--learning_rate or --max_grad_norm 1.0" in text
    assert not (tmp_path / "out").exists()


def damage(folder, rows: int | None = None) -> None:
    """Write nan into the embeddings of a saved model: of all tokens, or only of the word `bleak`."""
    from safetensors.torch import save_file
    from transformers import AutoTokenizer

    tensors = weights(folder)
    name = next(name for name in tensors if name.endswith("word_embeddings.weight"))
    token = slice(None) if rows is None else AutoTokenizer.from_pretrained(folder).convert_tokens_to_ids("bleak")
    tensors[name][token] = float("nan")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.fixture
def copy_of_model(finished, tmp_path):
    """A writable copy of a trained model."""
    folder = tmp_path / "model"
    folder.mkdir()
    for name in MODEL_FILES:
        (folder / name).write_bytes((finished(num_train_epochs=2).folder / name).read_bytes())
    return folder


@pytest.mark.parametrize("phase", ["do_predict", "do_eval"])
def test_a_damaged_model_gives_no_table(copy_of_model, command, tmp_path, phase):
    damage(copy_of_model)
    flags = AGAIN | {"do_predict": None, phase: True, "model_name_or_path": copy_of_model}
    flags |= {"test_file": None, "validation_file": command()[2].partition("=")[2]} if phase == "do_eval" else {}
    text = failure_of(command(**flags))
    split = "test" if phase == "do_predict" else "validation"
    assert f"not finite for all 24 rows of {split}. The weights have diverged or are damaged" in text
    assert "use another one" in text and "Train with" not in text and "checkpoint" not in text  # nothing was trained
    assert not (tmp_path / "out").exists() or not files_in(tmp_path / "out")


def test_a_dry_run_of_a_damaged_model_fails(copy_of_model, command, tmp_path):
    damage(copy_of_model)
    text = failure_of(command(model_name_or_path=copy_of_model, dry_run=True))
    assert "loss of the first batch of train is not finite" in text and not (tmp_path / "out").exists()


def test_an_error_in_writing_the_predictions_costs_only_their_file(command, tmp_path, monkeypatch, forgiving, capsys):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("classification.reporting.scores.write_predictions", full)
    assert "ended without predictions.csv" in failure_of(command())
    assert "predictions.csv is missing: OSError: [Errno 28] No space left on device." in capsys.readouterr().out
    assert "test_accuracy" in results_in(tmp_path / "out")


def test_single_rows_without_a_finite_output_are_named(copy_of_model, command, tmp_path):
    damage(copy_of_model, rows=1)
    bad = [row["id"] for row in make_rows(24, 3) if "bleak" in row["text"].split()]
    assert 0 < len(bad) <= 5
    text = failure_of(command(**AGAIN, model_name_or_path=copy_of_model))
    assert f"not finite for {len(bad)} of 24 rows ({', '.join(bad)}) of test" in text
    assert not (tmp_path / "out").exists()


def test_rows_that_overflow_in_half_precision_are_computed_again(copy_of_model, command, tmp_path, monkeypatch):
    """As in fp16, where the model itself is sound."""
    from transformers import Trainer

    whole = Trainer.predict

    def overflowing(self, *args, **kwargs):
        output = whole(self, *args, **kwargs)
        output.predictions[3] = float("nan")
        return output

    monkeypatch.setattr(Trainer, "predict", overflowing)
    main(command(**AGAIN, model_name_or_path=copy_of_model, precision="bf16"))
    rows = read_predictions(tmp_path / "out")
    assert len(rows) == 24 and 0 < float(rows[3]["prob_positive"]) < 1
    monkeypatch.undo()
    assert "1 of 24 rows" in failure_of_fp32(command, copy_of_model, tmp_path, overflowing)


def failure_of_fp32(command, model, tmp_path, overflowing) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("transformers.Trainer.predict", overflowing)
        return failure_of(command(**AGAIN, model_name_or_path=model, output_dir=tmp_path / "again"))


# --------------------------------------------------------------------------------------- figures that rows do not allow


def three_classes(folder, name: str, present: str, count: int) -> str:
    rows = make_rows(count, seed=len(name))
    return write_csv(folder / f"{name}.csv", [row | {"label": present[i % len(present)]} for i, row in enumerate(rows)])


@pytest.fixture
def lacking(tmp_path) -> dict:
    """Three classes in train and validation; test lacks one."""
    return {
        "train_file": three_classes(tmp_path, "train", "abc", 48),
        "validation_file": three_classes(tmp_path, "validation", "abc", 24),
        "test_file": three_classes(tmp_path, "test", "ab", 24),
    }


def test_a_metric_without_a_class_in_test_is_null_with_a_reason(command, lacking, tmp_path, capsys):
    main(command(**lacking, metric_name="roc_auc_ovr"))
    results = results_in(tmp_path / "out")
    assert results["test_roc_auc_ovr"] is None and isinstance(results["eval_roc_auc_ovr"], float)
    assert "Number of classes" in results["test_not_computed"]["roc_auc_ovr"]
    assert "roc_auc_ovr of test is not computed: Number of classes" in capsys.readouterr().out
    assert len(read_predictions(tmp_path / "out")) == 24 and account(tmp_path / "out")["results"] == results


def test_a_checkpoint_metric_without_a_class_in_validation_is_refused_before_training(
    command, lacking, nothing_slow, tmp_path
):
    flags = lacking | {"validation_file": lacking["test_file"], "metric_name": "roc_auc_ovr"}
    with pytest.raises(
        UsageError, match="--metric_for_best_model roc_auc_ovr: cannot be computed on the 24 rows of val"
    ):
        main(command(**flags, metric_for_best_model="roc_auc_ovr"))


def test_the_remedy_for_a_checkpoint_metric_works(command, lacking, tmp_path):
    flags = lacking | {"validation_file": lacking["test_file"], "metric_name": "roc_auc_ovr"}
    main(command(**flags, metric_for_best_model="loss"))
    assert results_in(tmp_path / "out")["eval_roc_auc_ovr"] is None


def test_one_row_to_test_and_thresholds_without_a_positive_row(command, tmp_path):
    """The label `rare` has one training row, and none in validation or test."""
    files = {}
    for split, rows in (
        ("train", several_rows(48, 1)),
        ("validation", several_rows(24, 2)),
        ("test", several_rows(2, 3)[1:]),
    ):
        rows[0] = rows[0] | ({"labels": "blame|rare"} if split == "train" else {})
        files[f"{split}_file"] = write_csv(tmp_path / f"{split}.csv", rows)
    main(command(**files, label_delimiter="|", tune_thresholds="per_label", metric_name="roc_auc"))
    results = results_in(tmp_path / "out")
    assert results["test_scored"] == 1 and results["eval_per_class"]["rare"]["threshold"] == 0.5
    assert results["test_roc_auc"] is None and results["test_not_computed"]["roc_auc"]


# ------------------------------------------------------------------------------------------------------------- collapse


def test_a_collapsed_model_is_a_warning_with_remedies(command, tmp_path, capsys):
    main(command(learning_rate=1e-9))
    shown = capsys.readouterr().out
    for split in ("validation", "test"):
        assert f"warning: The model has collapsed on {split}: it predicts " in shown
    assert "--num_train_epochs or another --learning_rate or --class_weights balanced" in shown
    assert "for all 24 rows, and 12 of them" in results_in(tmp_path / "out")["test_collapsed"]


def test_a_healthy_model_has_no_such_warning(finished):
    run = finished(num_train_epochs=6)
    assert run.results["test_accuracy"] > 0.9 and "collapsed" not in run.shown
    assert not [name for name in run.results if name.endswith(("collapsed", "not_computed"))]


# ----------------------------------------------------------------------------------------------- errors after training

KEPT = MODEL_FILES | {"all_results.json", "run.json"}
BOTH = {"eval_accuracy", "test_accuracy"}
BAYES = {"baselines": "naive_bayes"}
CLOSING = "classification.experiments.closing"
# What raises -> what the message names (None: only a warning), flags, files and metrics that must be there.
FAILURES = {
    "the table of classes": ("classification.evaluation.split_metrics.per_class", "metrics of test", {}, set()),
    "the summary of test": ("classification.reporting.scores.split_summary", "metrics of test", {}, {"test_accuracy"}),
    "the intervals": ("classification.reporting.scores.spread_and_slices", None, {}, BOTH),
    "the plots": ("classification.reporting.plots.draw_confusion", None, {}, BOTH),
    "the curves": ("classification.reporting.plots.draw_curves", None, {"num_train_epochs": 2}, BOTH),
    "the speed": ("classification.training.trainer_summary.measure_throughput", None, {}, BOTH),
    "the table": ("classification.reporting.summary.log_metrics", None, {}, BOTH),
    "the label errors": (f"{CLOSING}.report_label_errors", "--suspect_labels", {"suspect_labels": True}, BOTH),
    "the baselines": (f"{CLOSING}.compare_with_baselines", "--baselines", BAYES, BOTH),
    "the significance": (
        "classification.experiments.comparison.compare", "--baselines", BAYES, BOTH,
    ),
}  # fmt: skip


def broken(*args, **kwargs):
    raise ZeroDivisionError("a bug")


@pytest.mark.parametrize("name", FAILURES)
def test_an_error_after_training_costs_only_its_own_part(name, command, tmp_path, capsys, monkeypatch, forgiving):
    place, lost, flags, metrics = FAILURES[name]
    monkeypatch.setattr(place, broken)
    if lost:
        text = failure_of(command(**flags))
        assert lost in text and str(tmp_path / "out") in text
    else:
        main(command(**flags))
    assert files_in(tmp_path / "out") >= KEPT | {"predictions.csv"}
    assert len(read_predictions(tmp_path / "out")) == 24
    assert set(results_in(tmp_path / "out")) >= {"train_loss", *metrics}
    assert account(tmp_path / "out")["epochs"]
    assert "is missing: ZeroDivisionError: a bug." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("place", "files"),
    [
        ("classification.reporting.scores.write_predictions", set()),
        ("classification.reporting.scores.predict_split", set()),
    ],
)
def test_an_error_that_ends_the_run_leaves_what_was_found(place, files, command, tmp_path, monkeypatch):
    """The traceback is shown: this is a bug, or a full disk."""
    monkeypatch.setattr(place, broken)
    with pytest.raises(ZeroDivisionError):
        main(command())
    assert files_in(tmp_path / "out") >= KEPT | files
    assert "train_loss" in results_in(tmp_path / "out") and account(tmp_path / "out")["epochs"]


@pytest.mark.parametrize(
    ("place", "lost", "flags"),
    [
        ("classification.training.phases.fit_decisions", "decisions", {"tune_thresholds": "global"}),
        ("classification.training.phases.merge_adapters", "--lora_merge", {"lora_r": 2, "lora_merge": True}),
    ],
)
def test_an_error_before_saving_does_not_cost_the_model(place, lost, flags, command, tmp_path, monkeypatch, forgiving):
    monkeypatch.setattr(place, broken)
    files = write_splits(tmp_path, "several", several_rows) if "tune_thresholds" in flags else {}
    flags = flags | (files | {"label_delimiter": "|"} if files else {})
    assert lost in failure_of(command(**flags))
    assert files_in(tmp_path / "out") & {"model.safetensors", "adapter_model.safetensors"}
    assert len(read_predictions(tmp_path / "out")) == 24


def test_debug_shows_the_traceback_of_a_part_that_failed(command, monkeypatch, capsys, forgiving):
    monkeypatch.setattr("classification.reporting.plots.draw_confusion", broken)
    monkeypatch.setattr("sys.argv", ["run_classification.py", "--debug"])
    main(command())
    assert 'in broken\n    raise ZeroDivisionError("a bug")' in capsys.readouterr().out


def test_the_tests_see_every_error(command, monkeypatch):
    monkeypatch.setattr("classification.reporting.plots.draw_confusion", broken)
    with pytest.raises(ZeroDivisionError):
        main(command())


# -------------------------------------------------------------------------------------------------- no rows, no figures


@pytest.mark.parametrize("strategy", ["steps", "epoch"])
def test_an_evaluation_before_the_first_step_has_no_figures_of_training(command, tmp_path, capsys, strategy):
    main(command(eval_on_start=True, eval_strategy=strategy, eval_steps=8, save_strategy=strategy, save_steps=8))
    first, *others = [line for line in capsys.readouterr().out.splitlines() if line.startswith("[Epoch")]
    assert first.startswith("[Epoch 0/1] val_loss=") and "train" not in first
    assert others and all("train_loss=0.0000" not in line and "train_loss=" in line for line in others)
    start, *rest = account(tmp_path / "out")["epochs"]
    assert "train_loss" not in start and all(entry["train_loss"] > 0 for entry in rest)


def test_a_run_that_is_resumed_at_an_evaluation_prints_no_invented_figures(command, tmp_path, capsys):
    flags = {
        "num_train_epochs": 2,
        "eval_strategy": "steps",
        "eval_steps": 4,
        "save_strategy": "steps",
        "save_steps": 4,
    }
    main(command(**flags, max_steps=8))
    capsys.readouterr()
    for name in ("all_results.json", "run.json"):
        (tmp_path / "out" / name).unlink()
    main(command(**flags, max_steps=16, resume="auto", resume_anyway=True, eval_on_start=True))
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("[Epoch")]
    assert lines and "train_loss=0.0000" not in "".join(lines)


def test_a_step_without_memory_counts_its_rows_once(command, tmp_path, monkeypatch, capsys):
    """The library's own --auto_find_batch_size, which begins the training again, is not needed."""
    from transformers import BertForSequenceClassification

    whole, calls = BertForSequenceClassification.forward, []

    @functools.wraps(whole)
    def short_of_memory(self, *args, **kwargs):
        calls.append(0)
        if len(calls) == 3:
            raise RuntimeError("CUDA out of memory.")
        return whole(self, *args, **kwargs)

    monkeypatch.setattr(BertForSequenceClassification, "forward", short_of_memory)
    main(command(auto_find_batch_size=True))
    record, shown = account(tmp_path / "out"), capsys.readouterr().out
    assert record["throughput"]["training"]["rows"] == 64
    assert 0.3 < record["epochs"][0]["train_loss"] < 1.5
    assert "passes of 4" in shown and "--auto_find_batch_size has no effect" in shown
