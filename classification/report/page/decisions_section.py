"""What a run decided and why: task, splits, length, number format, training, and everything chosen on validation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from classification.report.json_fields import list_in, mapping_in
from classification.report.number_format import count, is_number, number, percent, plural
from classification.report.page.sections import Section
from classification.report.page.training_words import training_decisions
from classification.report.run_files import RunFiles
from classification.report.run_words import SPLIT_NAMES, rows_of, rule_words, task_words, words_of

LISTED = 8  # values by label that a cell lists
CUTS = {
    "head": "the end of a longer text is not read",
    "tail": "the beginning of a longer text is not read",
    "head_tail": "the middle of a longer text is not read",
    "window": "a longer text is read in overlapping windows",
}


@dataclass(frozen=True)
class Decision:
    """One row of the table.

    Args:
        topic: what was decided. choice: the decision.
        basis: why, or the rows that decided it.
        values: by label, where the decision has one for each.
    """

    topic: str
    choice: str
    basis: str = ""
    values: tuple[tuple[str, str], ...] = ()


def decisions_section(run: RunFiles) -> Section:
    decisions = [*data_decisions(run), *hardware_decisions(run), *training(run), *selected(run)]
    chosen_on = {str(entry.get("split")) for entry in selections_of(run)}
    return Section(
        "decisions", "What was decided, and why", "decisions.html.j2",
        {"decisions": decisions, "chose_on_validation": "validation" in chosen_on},
    )  # fmt: skip


def data_decisions(run: RunFiles) -> Iterator[Decision]:
    trained = rows_of(run, "train") is not None
    basis = "from all labels of the training data" if trained else "as the model was trained"
    yield Decision("Task", task_words(run), basis)
    for split in ("train", "validation", "test"):
        rows = rows_of(run, split)
        if rows is not None:
            method = validation_words(run) if split == "validation" else drawn(run, split)
            yield Decision(f"{SPLIT_NAMES[split].capitalize()} rows", count(rows), method)
    yield length_decision(run)


def validation_words(run: RunFiles) -> str:
    """How validation was made; the first version did not record it, and its flags tell."""
    method, flags = run.record.get("validation_method"), run.arguments
    if method is None and not flags.get("validation_file") and flags.get("train_file"):
        method = f"split off the training file ({flags.get('validation_strategy') or 'stratified'})"
    method = str(method or "given").replace("split off train", "split off the training rows")
    return "given with the data" if method == "given" else method


def drawn(run: RunFiles, split: str) -> str:
    flag = {"train": "max_train_samples", "test": "max_predict_samples"}[split]
    return f"at most {count(run.arguments[flag])}, drawn at random" if run.arguments.get(flag) else ""


def length_decision(run: RunFiles) -> Decision:
    """The limit of length, and how many rows are longer."""
    trained = mapping_in(run.record, "fingerprint")
    limit = trained.get("--max_seq_length") or run.arguments.get("max_seq_length")
    strategy = trained.get("--truncation_strategy") or run.arguments.get("truncation_strategy") or "head"
    longer = [text for split in ("train", "validation", "test") if (text := rows_cut(run, split))]
    basis = f"{', '.join(longer)} are longer" if longer else "no text is longer"
    choice = f"{count(limit)} tokens (pieces of words); " if is_number(limit) else ""
    return Decision("Length of a text", choice + CUTS.get(str(strategy), str(strategy)), basis)


def rows_cut(run: RunFiles, split: str) -> str:
    """How many rows of a split are longer than the limit; "" for none."""
    cut, rows = mapping_in(run.record, "tokens", split).get("rows_cut"), rows_of(run, split)
    if not cut or not rows:
        return ""
    return f"{count(cut)} of {count(rows)} {SPLIT_NAMES[split]} rows ({percent(cut / rows)})"


def hardware_decisions(run: RunFiles) -> Iterator[Decision]:
    decided = mapping_in(run.record, "decisions")
    formats = {"bf16": "bf16 (16 bits)", "fp16": "fp16 (16 bits)", "fp32": "fp32 (32 bits)"}
    precision = decided.get("precision") or run.arguments.get("precision")
    if precision:
        device = decided.get("device")
        asked = run.arguments.get("precision")
        basis = f"as asked for, on {device}" if asked not in (None, "auto") else f"chosen for the device, {device}"
        yield Decision("Number format", formats.get(str(precision), str(precision)), basis if device else "")


def training(run: RunFiles) -> Iterator[Decision]:
    for topic, choice, basis in training_decisions(run):
        yield Decision(topic, choice, basis)


# ------------------------------------------------------------------------------------------------ chosen on validation


def selections_of(run: RunFiles) -> list[Mapping[str, Any]]:
    """The records of what was chosen. The first version recorded the checkpoint in another way."""
    entries = [entry for entry in list_in(run.record, "selections") if isinstance(entry, Mapping)]
    step = run.record.get("best_step")
    if step is not None and not any(entry.get("what") == "checkpoint" for entry in entries):
        trainer = mapping_in(run.record, "arguments", "trainer")
        name = str(trainer.get("metric_for_best_model") or "loss").removeprefix("eval_")
        name = "val_loss" if name == "loss" else name.replace("_", " ")
        method = f"{'highest' if trainer.get('greater_is_better') else 'lowest'} {name}"
        checkpoint = {"what": "checkpoint", "split": "validation", "rows": rows_of(run, "validation"), "method": method}
        entries.insert(0, checkpoint | {"value": f"step {step}", "score": run.record.get("best_metric")})
    return entries


def selected(run: RunFiles) -> Iterator[Decision]:
    """One row per selection, which names the rows that it used."""
    average = mapping_in(run.record, "average")
    for entry in selections_of(run):
        topic = str(entry.get("what", "selection"))
        value, score = entry.get("value"), entry.get("score")
        values = tuple((str(name), show(each)) for name, each in value.items()) if isinstance(value, Mapping) else ()
        if values and len({text for _, text in values}) == 1:
            value, values = values[0][1] + " for every label", ()
        method = str(entry.get("method", "")).replace("val_loss", "validation loss")
        reached = f": {number(score)}" if is_number(score) else ""
        shown = "one value per label" if values else show(value)
        choice = f"{shown} ({method}{reached})" if method else shown
        choice += f"; {MEANINGS[topic]}" if topic in MEANINGS else ""
        choice += beside(entry) + cost_words(entry)
        title = "Best checkpoint" if topic == "checkpoint" and average.get("kept") else TOPICS.get(topic)
        yield Decision(title or topic.capitalize(), choice, rows_used(entry), values)
    if average.get("compared") is False:
        yield Decision(TOPICS["average"], f"{average['average']} of {average['of']}", "used without a comparison")
    rule = rule_words(run)
    if rule and not any(entry.get("what") == "decision rule" for entry in selections_of(run)):
        yield Decision(TOPICS["decision rule"], rule)


def beside(entry: Mapping[str, Any]) -> str:
    """The values of what was not chosen, where a selection has them."""
    others = {name: value for name, value in mapping_in(entry, "candidates").items() if value != entry.get("score")}
    return "".join(f"; {name}: {number(value)}" for name, value in others.items() if is_number(value))


def cost_words(entry: Mapping[str, Any]) -> str:
    """What the rule for the checkpoint cost in the headline metric."""
    cost = mapping_in(entry, "headline")
    if not is_number(cost.get("best")) or not is_number(cost.get("kept")):
        return ""
    words = words_of(str(cost.get("metric")))
    best, here = words.show(cost["best"]), words.show(cost["kept"])
    return f"; {words.noun} was best at step {cost.get('best_step')}: {best}, here {here}"


TOPICS = {
    "checkpoint": "Checkpoint: the weights that are kept",
    "average": "Average of the weights, or the best checkpoint",
    "temperature": "Temperature: how confident probabilities are",
    "decision rule": "Decision rule: from probabilities to labels",
}
MEANINGS = {"temperature": "above 1, probabilities become less confident; below 1, more"}


def show(value: object) -> str:
    return number(value) if is_number(value) else str(value)


def rows_used(entry: Mapping[str, Any]) -> str:
    """The rows that a selection was made on."""
    rows, split = entry.get("rows"), str(entry.get("split", "validation"))
    text = f"chosen on {plural(rows, f'{split} row')}" if isinstance(rows, int) else f"chosen on {split}"
    return f"{text}, each judged without its own label (cross-fitted)" if entry.get("cross_fitted") else text
