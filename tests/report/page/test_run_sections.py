"""What was decided, found, learned, compared, spent, and how to do it again: each from run.json alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report_rows import multi_run, number_run, rendered, single_run, words

from classification.report.page.baselines_section import baselines_section
from classification.report.page.cost_section import cost_section
from classification.report.page.curves_section import MOST_POINTS, curves_section, read_log
from classification.report.page.decisions_section import decisions_section
from classification.report.page.findings_section import findings_section
from classification.report.page.reproduce_section import reproduce_section

RUN = single_run([0, 1], [[0.9, 0.1], [0.2, 0.8]])
TRAINED = {
    "arguments": {
        "train_file": "t.csv", "precision": "auto", "max_seq_length": 128, "truncation_strategy": None,
        "trainer": {
            "num_train_epochs": 3.0, "max_steps": -1, "per_device_train_batch_size": 8,
            "gradient_accumulation_steps": 2, "learning_rate": 2e-5, "lr_scheduler_type": "linear", "warmup_steps": 0.1,
            "weight_decay": 0.01,
        },
    },
    "decisions": {"device": "cpu", "precision": "fp32"},
    "machine": {"processor": "a processor", "gpus": [], "threads": 2, "processes": 2},
    "data": {"train": {"rows": 400}, "validation": {"rows": 100}, "test": {"rows": 150}},
    "tokens": {"train": {"rows_cut": 100}, "test": {"rows_cut": 0}},
    "validation_method": "given",
    "epochs": [{"epoch": 1.0, "step": 13, "train_loss": 0.7}, {"epoch": 2.0, "step": 26, "train_loss": 0.4}],
    "log_history": [
        {"epoch": 1.0, "step": 13, "eval_loss": 0.6, "eval_accuracy": 0.7},
        {"epoch": 2.0, "step": 26, "eval_loss": 0.5, "eval_accuracy": 0.8},
        {"epoch": 3.0, "step": 39, "eval_loss": 0.55, "eval_accuracy": 0.75},
    ],
    "best_step": 26,
}  # fmt: skip


def text_of(section, **changes) -> str:
    return words(rendered(section, replace(RUN, record=TRAINED | changes)))


# ------------------------------------------------------------------------------------------------------------ decisions


def test_each_decision_has_its_reason():
    text = text_of(decisions_section)
    assert "Validation rows 100 given with the data" in text
    assert (
        "128 tokens (pieces of words); the end of a longer text is not read 100 of 400 training rows (25.0%) are longer"
        in text
    )
    assert "2 epochs, 26 steps of 32 rows ended before the 3 epochs that were asked for" in text
    assert "at most 2e-05, then falls linearly to 0 rises during the first 10% of the steps; weight decay 0.01" in text
    assert (
        "Checkpoint: the weights that are kept step 26 (lowest validation loss) chosen on 100 validation rows" in text
    )
    assert "Decision rule: from probabilities to labels the most probable label" in text


def test_a_task_of_numbers_has_no_rule_from_probabilities():
    run = number_run([1.0, 2.0], [1.0, 3.0])
    assert "Decision rule" not in words(rendered(decisions_section, run))


def test_each_selection_names_its_rows_and_how_they_were_used():
    on = {"split": "validation", "rows": 100}
    entries = [
        {"what": "checkpoint", "method": "lowest val_loss", "value": "step 26", "score": 0.5, **on},
        {"what": "temperature", "method": "lowest log loss", "value": 1.25, **on, "rows": 1},
        {"what": "decision rule", "method": "highest F1", "value": {"a": 0.4, "b": 0.4}, **on, "rows": 2500}
        | {"cross_fitted": True},
    ]
    text = text_of(decisions_section, selections=entries)
    assert "step 26 (lowest validation loss: 0.500) chosen on 100 validation rows" in text
    assert "1.25 (lowest log loss); above 1, probabilities become less confident" in text
    assert "below 1, more chosen on 1 validation row " in text
    assert (
        "0.400 for every label (highest F1) chosen on 2,500 validation rows, each judged without its own label" in text
    )
    assert "the most probable label" not in text


def test_values_of_single_labels_are_listed():
    entry = {"what": "decision rule", "value": {"<b>": 0.25, "قائمة": 0.75}, "rows": 9}
    run = replace(multi_run([[1.0, 0.0]], [[0.9, 0.1]]), record=TRAINED | {"selections": [entry]})
    html = rendered(decisions_section, run)
    assert "&lt;b&gt;</bdi> 0.250" in html and "قائمة</bdi> 0.750" in html


def test_a_run_without_training_decides_nothing_about_it():
    record = {"arguments": {"model_name_or_path": "m"}, "data": {"test": {"rows": 3}}}
    text = words(rendered(decisions_section, replace(RUN, record=record)))
    assert "as the model was trained" in text and "Learning rate" not in text and "Checkpoint" not in text


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (
            {"class_weights": "balanced", "loss": "focal", "focal_gamma": 2.0},
            "weighted by class (balanced); focal loss, gamma 2",
        ),
        ({"lora_r": 8}, "LoRA adapters of rank 8 and the head"),
        ({"freeze_layers": 1}, "the lowest 1 layer stayed as before"),
        ({"truncation_strategy": "window"}, "a longer text is read in overlapping windows"),
        ({"max_train_samples": 400}, "at most 400, drawn at random"),
        ({"precision": "fp32"}, "fp32 (32 bits) as asked for, on cpu"),
    ],
)
def test_what_was_asked_for_is_told(flags, sentence):
    assert sentence in text_of(decisions_section, arguments=TRAINED["arguments"] | flags)


# ------------------------------------------------------------------------------------------------------------- findings

FINDING = {
    "kind": "telltale_word", "severity": "warning", "split": "train", "count": 3, "ids": ["r1", "r2", "r3"],
    "what": "the word 'secret' predicts spam", "why": "the model may learn only this word", "remedy": "Remove it",
    "examples": ['r1: "a secret"'],
}  # fmt: skip


def test_a_finding_has_what_why_and_what_to_do():
    text = text_of(findings_section, findings=[FINDING])
    assert "warning The word 'secret' predicts spam. Why it matters: The model may learn only this word." in text
    assert "What to do: Remove it." in text and 'r1: "a secret"' in text and "Ids: r1, r2, r3" in text


def test_no_example_is_shown_where_texts_are_not():
    arguments = TRAINED["arguments"] | {"report_texts": False}
    text = text_of(findings_section, findings=[FINDING], arguments=arguments)
    assert "a secret" not in text and "r1, r2, r3" in text


def test_errors_come_first_and_too_many_findings_are_counted():
    findings = [FINDING | {"severity": "note", "what": "a note"}] * 45 + [
        FINDING | {"severity": "error", "what": "an error"}
    ]
    text = text_of(findings_section, findings=findings)
    assert text.index("An error") < text.index("A note") and "6 more are in run.json" in text


def test_without_findings_the_page_says_that_nothing_was_found():
    assert "The checks found no problem in the data." in text_of(findings_section)


# --------------------------------------------------------------------------------------------------------------- curves


def test_the_checkpoint_that_was_kept_is_marked():
    text = text_of(curves_section)
    assert "The checkpoint after epoch 2 was kept: its validation loss is 0.500, its accuracy 80.0%." in text
    assert "After it, the validation loss did not fall further." in text
    html = rendered(curves_section, replace(RUN, record=TRAINED))
    assert html.count('class="chosen"') == 1 and html.count(">kept</text>") == 2


def test_one_evaluation_is_a_point_and_no_curve():
    log = TRAINED["log_history"][:1]
    text = text_of(curves_section, log_history=log, best_step=13)
    assert "The checkpoint after epoch 1 was kept" in text and "After it" not in text


def test_a_logged_training_loss_is_no_second_evaluation_of_its_step():
    losses = [{"epoch": 3.0, "step": 39, "loss": 0.2}]
    epochs = [entry | {"train_loss": 0.2} for entry in TRAINED["log_history"]]
    training = read_log(
        replace(RUN, record=TRAINED | {"log_history": TRAINED["log_history"] + losses, "epochs": epochs})
    )
    assert [one["step"] for one in training.evaluations] == [13, 26, 39]
    assert training.evaluations[2]["train_loss"] == 0.2


def test_a_best_checkpoint_at_the_end_asks_for_a_longer_training():
    text = text_of(curves_section, log_history=TRAINED["log_history"][:2])
    assert "It was the last one, and the best: a longer training may be better." in text and "After it" not in text


def test_a_figure_that_changes_after_the_training_is_explained():
    run = replace(RUN, record=TRAINED, metrics={**RUN.metrics, "eval_accuracy": 0.81})
    same = replace(run, metrics={**RUN.metrics, "eval_accuracy": 0.8})
    rule = replace(run, record=TRAINED | {"selections": [{"what": "decision rule", "split": "validation", "rows": 9}]})
    assert "On the same rows" not in words(rendered(curves_section, same))
    assert "accuracy is 81.0%, scored again at the end of the run." in words(rendered(curves_section, run))
    assert "81.0% with the decision rule that was chosen afterwards." in words(rendered(curves_section, rule))


def test_without_a_choice_the_last_weights_were_kept():
    assert "The weights of the last step were kept." in text_of(curves_section, best_step=None)


def test_numbers_that_are_none_leave_gaps_and_no_error():
    log = [{"epoch": 1.0, "step": 1, "loss": None}, {"epoch": 2.0, "step": 2, "eval_loss": 0.5, "eval_accuracy": None}]
    assert "validation loss is 0.500." in text_of(curves_section, log_history=log, best_step=2, epochs=[])


def test_a_long_log_keeps_its_mean_in_few_points():
    log = [{"epoch": i / 1000, "step": i, "loss": float(i % 2)} for i in range(100_000)]
    steps = read_log(replace(RUN, record=TRAINED | {"log_history": log})).steps
    assert len(steps) == MOST_POINTS and abs(steps[:, 1].mean() - 0.5) < 1e-9


def test_a_run_without_training_has_no_curves():
    assert text_of(curves_section, log_history=[], epochs=[]) == ""


# ------------------------------------------------------------------------------------------------------------ baselines


def method(title: str, test: float, validation: float, seconds: float, speed: float, size: int) -> dict:
    figures = {"test_accuracy": test, "validation_accuracy": validation}
    return {"title": title, **figures, "train_seconds": seconds, "rows_per_second": speed, "size_bytes": size}


METHODS = {
    "majority": method("majority class", 0.5, 0.5, 0.01, 1e6, 430),
    "svm": method("linear SVM", 0.8, 0.82, 1.0, 2986.4, 25_000),
    "lda": {"title": "LDA topics", "absent": "it needs labels"},
    "model": method("this model", 0.873, 0.9, 75, 22.71, 440_000_000),
}
FIGURES = {
    "metric": "accuracy",
    "rows": 2500,
    "model": 0.873,
    "baseline": 0.8,
    "difference": 0.073,
    "low": 0.051,
    "high": 0.095,
}


@pytest.mark.parametrize(
    ("verdict", "sentence"),
    [
        ("the model wins", "On test, the model is better than the best simple method, linear SVM."),
        ("the baseline wins", "On test, the best simple method, linear SVM, is better than the model."),
        ("within noise", "On test, the model and the best simple method, linear SVM, do not differ clearly."),
    ],
)
def test_the_verdict_is_a_sentence_with_its_figures(verdict, sentence):
    comparison = {"baseline": "svm", "split": "test", "figures": FIGURES | {"verdict": verdict}}
    text = text_of(baselines_section, baselines=METHODS, comparison=comparison)
    assert sentence in text
    assert (
        "87.3% and the simple method 80.0% on 2,500 test rows: a difference of +7.3 points (95% interval +5.1 points"
        in text
    )
    assert "LDA topics does not apply to this task: it needs labels." in text


def test_the_best_method_comes_first_with_its_difference_to_the_model():
    text = text_of(baselines_section, baselines=METHODS)
    assert "this model 87.3% 90.0% 1 min 15 s 22.7 440 MB linear SVM 80.0% 82.0% −7.3 points 1.0 s 2,986 25 kB" in text


def test_a_run_of_an_earlier_version_shows_the_time_that_it_recorded():
    svm = {name: value for name, value in METHODS["svm"].items() if name not in ("train_seconds", "rows_per_second")}
    text = text_of(baselines_section, baselines={"svm": svm | {"seconds": 7.25}})
    assert "linear SVM 80.0% 82.0% 7.2 s – 25 kB" in text


def test_without_baselines_there_is_no_section():
    assert text_of(baselines_section) == ""


# ------------------------------------------------------------------------------------------------------ cost and repeat


def test_the_cost_has_every_phase_and_what_no_phase_explains():
    speed = {
        "rows": 1200,
        "rows_per_second": 3867.2,
        "tokens_per_second": 90363.2,
        "padding_share": 0.142,
        "waiting_share": 0.0,
    }
    throughput = {"training": speed, "peak_memory_bytes": 860954624, "advice": "pass --x"}
    seconds = {"train": 60.0, "predict": 15.0, "neighbours": 5.0, "total": 100.0}
    text = text_of(cost_section, seconds=seconds, throughput=throughput)
    assert "Finding the nearest training rows 5.0 s 5.0%" in text
    assert "The run took 1 min 40 s." in text and "Training 1 min 0 s 60.0%" in text
    assert "Everything else, such as saving 20 s 20.0%" in text and "1,200 3,867 90,363 14% 0%" in text
    assert "861 MB" in text and "a processor" in text and "To make it faster: pass --x." in text


def test_the_command_can_be_copied_and_repeated():
    text = text_of(
        reproduce_section, command=["run_classification.py", "--train_file", "my file.csv"], seeds={"data_seed": 7}
    )
    assert "python run_classification.py --train_file 'my file.csv'" in text and "data seed 7" in text
    assert "python run_classification.py --config run/run.json --output_dir run-again" in text


def test_a_part_of_a_study_names_the_study_to_repeat():
    text = text_of(reproduce_section, command=["run_classification.py"], not_repeatable="is one part of a larger run.")
    assert "is one part of a larger run." in text and "--config" not in text
