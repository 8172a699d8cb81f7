"""The facts in the body of a model card. They hold no text or id of a row, no local path and no name of a person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from classification.data.corpus import GIVEN
from classification.report.card.card_limits import class_figures, figure, limits_of
from classification.report.card.card_metadata import origin
from classification.report.json_fields import list_in, mapping_in
from classification.report.number_format import count, duration, is_number, plural, with_limits
from classification.report.run_files import RunFiles
from classification.report.run_words import answer_words, rows_of, rule_words, title_of
from classification.report.teacher_words import teacher_words

PLAIN_LOSS = "cross_entropy"  # as --loss names it for every task
READ = {
    "head": "the first ones only", "tail": "the last ones only", "head_tail": "the first and the last ones only",
    "window": "all, in overlapping windows",
}  # fmt: skip
MAX_NAMES, MAX_CLASSES = 30, 50
SPLITS = ("train", "validation", "test")


def facts_of(run: RunFiles) -> dict[str, Any]:
    """The values of the template, all but the code that loads the model."""
    return {
        "does": what_it_does(run),
        "rows": [(split, count(number)) for split in SPLITS if (number := rows_of(run, split)) is not None],
        "data": origin(run, "dataset"),
        "base": origin(run, "base_model"),
        "validation": validation_of(run),
        "results": list(results_of(run)),
        "has_intervals": any(
            is_number(run.metric(f"{run.task.headline}_low", split)) for split in ("validation", "test")
        ),
        "is_tested": run.scored_split == "test",
        "calibration": calibration_of(run),
        "rule": rule_of(run),
        "selections": list(selections_of(run)),
        "classes": classes_of(run),
        "more_classes": max(0, len(class_figures(run)) - MAX_CLASSES),
        "intended": intended_use(run),
        "limits": list(limits_of(run)),
        "procedure": list(procedure_of(run)),
        "versions": versions_of(run),
        "missing": [key for key in ("language", "license") if not mapping_in(run.record, "origins").get(key)],
    }


def what_it_does(run: RunFiles) -> str:
    task = run.task
    names = ", ".join(task.names[:MAX_NAMES])
    names += f" and {len(task.names) - MAX_NAMES} more" if len(task.names) > MAX_NAMES else ""
    texts = "a pair of texts" if is_pair(run) else "a text"
    answer = answer_words(task)
    if not answer:
        return task.describe()
    return f"It gives {texts} {answer}: {names}." if "{labels}" in task.answer else f"It gives {texts} {answer}."


def validation_of(run: RunFiles) -> str | None:
    """How validation was made; None where the record of an old run does not tell."""
    method = run.record.get("validation_method") or (run.arguments.get("validation_file") and GIVEN)
    if not method or not rows_of(run, "validation"):
        return None
    given = "The validation rows were given with the data."
    return given if method == GIVEN else f"The validation rows were split off train: {method}."


def is_pair(run: RunFiles) -> bool:
    """Whether two text columns were named; without the flag only the data knows."""
    arguments = run.arguments
    names = arguments.get("text_column_names")
    several = len(names) > 1 if isinstance(names, list) else "," in str(names or "")
    return bool(run.record.get("has_pairs", several and arguments.get("text_column_delimiter") is None))


# ------------------------------------------------------------------------------------------------------------ results


def results_of(run: RunFiles) -> Iterator[tuple[str, str, str]]:
    """Metric, validation, test; with the 95% interval where the run has one."""
    for metric in run.task.main_metrics:
        values = [with_interval(run, metric, split) for split in ("validation", "test")]
        if any(values):
            yield title_of(metric), values[0] or "", values[1] or ""
    rows = [run.metric("scored", split) for split in ("validation", "test")]
    if any(rows):
        yield "Rows", *(count(number) if number else "" for number in rows)  # type: ignore[misc]


def with_interval(run: RunFiles, metric: str, split: str) -> str | None:
    """`0.873 (0.861 to 0.885)`; None where the metric is missing or undefined."""
    value, *limits = (run.metric(f"{metric}{end}", split) for end in ("", "_low", "_high"))
    return with_limits(figure, value, *limits) if is_number(value) else None


def classes_of(run: RunFiles) -> list[tuple[str, ...]]:
    """Label, rows, precision, recall and F1, the lowest F1 first."""
    figures = sorted(class_figures(run).items(), key=lambda item: item[1].get("f1", 0.0))
    return [
        (name, count(row.get("support")), *(figure(row.get(key)) for key in ("precision", "recall", "f1")))
        for name, row in figures[:MAX_CLASSES]
    ]


def calibration_of(run: RunFiles) -> str | None:
    """The expected calibration error, before and after temperatures."""
    split = run.scored_split
    before, after = (run.metric(key, split) if split else None for key in ("ece", "ece_calibrated"))
    if not is_number(before):
        return None
    now = 100 * (after if is_number(after) else before)
    text = f"On {split}, a stated probability differs from the share of right answers by {now:.1f} percentage points"
    text += " on average (expected calibration error)"
    fitted = f"; before temperature scaling on validation, by {100 * before:.1f}" if is_number(after) else ""
    return f"{text}{fitted}."


def rule_of(run: RunFiles) -> str:
    """How an answer follows from the model's output."""
    rule = rule_words(run)
    return f"{rule[0].upper()}{rule[1:]}." if rule else ""


def selections_of(run: RunFiles) -> Iterator[str]:
    """What was chosen, and on which rows."""
    for selection in list_in(run.record, "selections"):
        if isinstance(selection, dict) and selection.get("what") and is_number(selection.get("rows")):
            cross = ", with cross-fitted predictions" if selection.get("cross_fitted") else ""
            what, rows = str(selection["what"]), plural(selection["rows"], f"{selection.get('split')} row")
            yield f"{what.capitalize()}: chosen on {rows}{cross}."


# -------------------------------------------------------------------------------------------------------- intended use


def intended_use(run: RunFiles) -> list[str]:
    """What the training rows were like: texts like these are what the results are about."""
    sentences = []
    tokens = mapping_in(run.record, "tokens", "train", "tokens")
    if tokens:
        sentences.append(
            f"Half of the training texts have at most {count(tokens.get('median'))} tokens, and 95% at most "
            f"{count(tokens.get('95%'))}."
        )
    length = run.arguments.get("max_seq_length") or mapping_in(run.record, "fingerprint").get("--max_seq_length")
    if str(length).isdecimal():
        part = READ.get(str(run.arguments.get("truncation_strategy") or "head"), "a part of it")
        sentences.append(f"Of a text with more than {length} tokens the model reads {part}.")
    if rows_of(run, "test") or rows_of(run, "validation"):
        sentences.append("The results hold for texts that come from the source of the rows they were measured on.")
    return sentences


# ----------------------------------------------------------------------------------------------------------- procedure


def procedure_of(run: RunFiles) -> Iterator[tuple[str, str]]:
    """The settings of the training that decide the weights, and its cost."""
    flags, trainer = run.arguments, mapping_in(run.record, "arguments", "trainer")
    kept = mapping_in(run.record, "average")
    average = f"average of weights, {kept.get('average')} of {kept.get('of')}" if kept.get("kept") else None
    yield "Base model", origin(run, "base_model") or "not on the Hub"
    given = {
        "Epochs": trainer.get("num_train_epochs"),
        "Optimizer steps": run.record.get("log_history") and last_step(run),
        "Chosen step": None if average else run.record.get("best_step"),
        "Chosen weights": average,
        "Learning rate": trainer.get("learning_rate"),
        "Rate per layer": layer_words(flags.get("layerwise_lr_decay")),
        "Schedule": trainer.get("lr_scheduler_type"),
        "Warmup": warmup_words(trainer.get("warmup_steps")),
        "Optimizer": trainer.get("optim"),
        "Weight decay": trainer.get("weight_decay"),
        "Rows per batch": trainer.get("per_device_train_batch_size"),
        "Gradient accumulation": trainer.get("gradient_accumulation_steps"),
        "Processes": mapping_in(run.record, "machine").get("processes"),
        "Loss": loss_words(run),
        "Label smoothing": trainer.get("label_smoothing_factor") or None,
        "R-Drop": flags.get("r_drop") or None,
        "Teacher": teacher_words(run),
        "LoRA rank": flags.get("lora_r"),
        "Frozen": None if flags.get("freeze") in (None, "none") else flags.get("freeze"),
        "Precision": mapping_in(run.record, "decisions").get("precision") or flags.get("precision"),
        "Seed": trainer.get("seed"),
    }
    yield from ((title, f"{value:g}" if isinstance(value, float) else str(value)) for title, value in given.items()
                if value not in (None, "", []))  # fmt: skip
    seconds = mapping_in(run.record, "seconds").get("train")
    if is_number(seconds):
        yield "Training time", duration(seconds)


def layer_words(decay: object) -> str | None:
    return f"times {decay:g} for each layer further from the head" if is_number(decay) and decay < 1 else None


def loss_words(run: RunFiles) -> str | None:
    loss = run.arguments.get("loss")
    return str(loss) if loss and loss != PLAIN_LOSS else run.task.loss_name or loss


def warmup_words(warmup: object) -> object:
    return f"{warmup:.0%} of the steps" if is_number(warmup) and 0 < warmup < 1 else warmup


def last_step(run: RunFiles) -> int | None:
    epochs = list_in(run.record, "epochs")
    return epochs[-1].get("step") if epochs and isinstance(epochs[-1], dict) else None


def versions_of(run: RunFiles) -> str:
    names = ("torch", "transformers", "datasets", "tokenizers", "peft")
    versions = mapping_in(run.record, "versions")
    known = [f"{name} {versions[name]}" for name in names if name in versions]
    python = run.record.get("python")
    commit = run.record.get("git_commit")
    code = [f"run_classification.py at commit {str(commit)[:12]}"] if commit else []
    return ", ".join([*code, *([f"Python {python}"] if python else []), *known])
