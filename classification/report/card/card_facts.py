"""What the body of a model card tells: facts of this run only, without a row's text, an id, a local path or a name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from classification.data.corpus import GIVEN
from classification.evaluation.suspicious_scores import suspicions
from classification.report.card.card_metadata import origin, title_of
from classification.report.number_format import count, duration, is_number, number, percent, plural
from classification.report.record_fields import list_in, mapping_in
from classification.report.run_files import RunFiles
from classification.report.run_words import rows_of

TASKS = {
    "single_label_classification": "It gives {texts} one of {labels}: {names}.",
    "multi_label_classification": "It gives {texts} any number of {labels}: {names}.",
    "regression": "It gives {texts} a number.",
}
RULES = {"single_label_classification": "The label with the highest probability is predicted."}
QUOTING = {  # findings whose own words quote a text -> words that do not
    "telltale_word": "single words predict a label almost perfectly, so the model may have learned only these words "
    "(rows with them: {counts})",
    "markup": "texts contain HTML (rows: {counts})",
    "unknown_tokens": "the tokenizer does not know some tokens, so the model cannot tell them apart ({counts})",
    "special_tokens": "texts contain special tokens, which are read as text (rows: {counts})",
}
PLAIN_KINDS = (  # whose words hold counts and names of labels only
    "exact_duplicates", "normalised_duplicates", "near_duplicates", "conflicting_labels", "label_spellings",
    "missing_class", "few_rows", "many_classes", "one_class", "imbalance", "sorted_labels", "unread_tokens",
    "dropped_rows", "sampled_checks",
)  # fmt: skip
READ = {
    "head": "the first ones only", "tail": "the last ones only", "head_tail": "the first and the last ones only",
    "window": "all, in overlapping windows",
}  # fmt: skip
MAX_NAMES, MAX_CLASSES, MAX_SLICES, MAX_WEAK = 30, 50, 3, 3
WEAK = 0.8  # of the mean F1 of all classes
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
    sentence = TASKS.get(task.problem_type)
    return (
        sentence.format(texts=texts, labels=plural(task.num_labels, "label"), names=names)
        if sentence
        else task.describe()
    )


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
    value, low, high = (run.metric(f"{metric}{end}", split) for end in ("", "_low", "_high"))
    if not is_number(value):
        return None
    return f"{figure(value)} ({figure(low)} to {figure(high)})" if is_number(low) and is_number(high) else figure(value)


def figure(value: object) -> str:
    """A metric with three decimals, in a column; larger numbers are in the units of the labels."""
    return f"{value:.3f}" if is_number(value) and abs(value) <= 1 else number(value)  # type: ignore[arg-type, str-bytes-safe]


def class_figures(run: RunFiles) -> Mapping[str, Mapping[str, Any]]:
    return run.metric("per_class", run.scored_split) or {} if run.scored_split else {}


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
    text = f"The probabilities are off by {percent(after if is_number(after) else before)} on average on {split}"
    text += " (expected calibration error)"
    fitted = f"; it was {percent(before)} before the temperature was fitted on validation" if is_number(after) else ""
    return f"{text}{fitted}."


def rule_of(run: RunFiles) -> str:
    """How an answer follows from the model's output."""
    rule, task = run.task.describe_rule(), run.task
    if rule:
        return f"{rule[0].upper()}{rule[1:]}."
    if task.thresholds:
        return f"A label is predicted from a probability of {task.thresholds[0]:.3g}."
    return RULES.get(task.problem_type, "")


def selections_of(run: RunFiles) -> Iterator[str]:
    """What was chosen, and on which rows."""
    for selection in list_in(run.record, "selections"):
        if isinstance(selection, dict) and selection.get("what") and is_number(selection.get("rows")):
            cross = ", with cross-fitted predictions" if selection.get("cross_fitted") else ""
            what, rows = str(selection["what"]), plural(selection["rows"], f"{selection.get('split')} row")
            yield f"{what.capitalize()}: chosen on {rows}{cross}."


# ------------------------------------------------------------------------------------------------- intended use, limits


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


def limits_of(run: RunFiles) -> Iterator[str]:
    """What is doubtful about the results, then the data, the costliest slices and the weakest labels."""
    yield from suspicions(run.metrics, run.record)
    if run.scored_split is None:
        yield "No row was scored, so nothing is known about the quality of the answers."
    elif run.scored_split == "validation":
        yield "There is no test result. Validation has chosen the checkpoint, so its results are too good."
    findings = [finding for finding in list_in(run.record, "findings") if isinstance(finding, dict)]
    serious = [finding for finding in findings if finding.get("severity") in ("warning", "error")]
    yield from (f"Data: {text}." for text in dict.fromkeys(without_texts(one, serious) for one in serious))
    yield from slice_limits(run)
    yield from weak_labels(run)


def without_texts(finding: Mapping[str, Any], findings: list[dict[str, Any]]) -> str:
    """A finding in words that quote no text; of a kind that is not known here its name and count.

    Args:
        findings: all of them: those of one kind that quote texts are one sentence.
    """
    kind, split, rows = str(finding.get("kind")), str(finding.get("split")), count(finding.get("count"))
    if kind in QUOTING:
        same = [one for one in findings if one.get("kind") == kind]
        return QUOTING[kind].format(
            counts=", ".join(f"{count(one.get('count'))} of {one.get('split')}" for one in same)
        )
    if kind in PLAIN_KINDS:
        why = f": {finding['why']}" if finding.get("why") else ""
        return f"{str(finding.get('what')).rstrip('.')}{why}".rstrip(".")
    return f"{kind.replace('_', ' ')} ({split}): {rows}"


def slice_limits(run: RunFiles) -> Iterator[str]:
    """The slices that cost most, where they are worse than all rows."""
    headline, split = run.task.headline, run.scored_split
    slices, whole = (run.metric("slices", split) or [], run.metric(headline, split)) if split else ([], None)
    worse = [one for one in slices if is_number(one.get(headline)) and is_number(one.get("cost")) and one["cost"] > 0]
    for one in worse[:MAX_SLICES]:
        low, high = one.get(f"{headline}_low"), one.get(f"{headline}_high")
        interval = f" ({figure(low)} to {figure(high)})" if is_number(low) and is_number(high) else ""
        rows = plural(int(one["rows"]), f"{split} row")
        yield (
            f"{title_of(headline)} is {figure(one[headline])}{interval} on the {rows} "
            f"whose {one['column']} is {one['value']}; on all rows it is {figure(whole)}."
        )


def weak_labels(run: RunFiles) -> Iterator[str]:
    """The labels with the lowest F1, where it is far below the mean of all."""
    figures = {name: row for name, row in class_figures(run).items() if is_number(row.get("f1")) and row.get("support")}
    if len(figures) < 2:
        return
    mean = sum(row["f1"] for row in figures.values()) / len(figures)
    weakest = sorted(figures.items(), key=lambda item: item[1]["f1"])[:MAX_WEAK]
    for name, row in weakest:
        if row["f1"] < WEAK * mean:
            yield (
                f"The label {name} is weak: precision {figure(row['precision'])}, recall {figure(row['recall'])} on "
                f"{plural(row['support'], f'{run.scored_split} row')}."
            )


# ----------------------------------------------------------------------------------------------------------- procedure


def procedure_of(run: RunFiles) -> Iterator[tuple[str, str]]:
    """The settings of the training that decide the weights, and its cost."""
    flags, trainer = run.arguments, mapping_in(run.record, "arguments", "trainer")
    yield "Base model", origin(run, "base_model") or "not on the Hub"
    given = {
        "Epochs": trainer.get("num_train_epochs"),
        "Optimizer steps": run.record.get("log_history") and last_step(run),
        "Chosen step": run.record.get("best_step"),
        "Learning rate": trainer.get("learning_rate"),
        "Schedule": trainer.get("lr_scheduler_type"),
        "Warmup": trainer.get("warmup_steps"),
        "Optimizer": trainer.get("optim"),
        "Weight decay": trainer.get("weight_decay"),
        "Rows per batch": trainer.get("per_device_train_batch_size"),
        "Gradient accumulation": trainer.get("gradient_accumulation_steps"),
        "Processes": mapping_in(run.record, "machine").get("processes"),
        "Loss": flags.get("loss"),
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
