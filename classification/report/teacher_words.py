"""What a model has learned from a teacher, in words without a local path."""

from __future__ import annotations

from classification.data.hub_names import hub_id
from classification.report.json_fields import mapping_in
from classification.report.number_format import count, is_number, number, plural
from classification.report.run_files import RunFiles


def teacher_words(run: RunFiles) -> str | None:
    """The teacher, its share of the loss and the rows; None without a teacher."""
    teacher = mapping_in(run.record, "teacher")
    if not teacher:
        return None
    name = hub_id(teacher.get("name")) or teacher.get("architecture") or "a classifier"
    parameters, unlabelled = teacher.get("parameters"), teacher.get("unlabelled_rows")
    words = [f"{name} of {count(parameters)} parameters" if is_number(parameters) else str(name)]
    if is_number(teacher.get("weight")) and is_number(teacher.get("labelled_rows")):
        rows = plural(int(teacher["labelled_rows"]), "labelled row")
        words.append(f"{number(teacher['weight'])} of the loss of {rows}")
    if is_number(unlabelled) and unlabelled:
        words.append(f"all of the loss of {plural(int(unlabelled), 'row')} without a label")
    if is_number(teacher.get("temperature")):
        words.append(f"temperature {number(teacher['temperature'])}")
    return ", ".join(words)
