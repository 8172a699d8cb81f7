"""The decision rule, chosen on validation: by F1, or by a precision or recall that is to be reached.

Fewer than 1,000 rows are small. There a figure of the rows that have chosen the rule is too high, so that it comes from
cross-fitting: each of 5 parts is decided by the rule that the other four have chosen. A rule for the highest F1 is then
the median of the five, which is more stable than one choice. A rule for a target is chosen on all rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from classification.data.folds import fold_splits
from classification.data.labels import LabelSpace
from classification.data.rules.decided_rule import default_rule
from classification.data.rules.rule_choice import RuleChoice
from classification.data.tasks import task_as_dict
from classification.errors import join_first
from classification.evaluation.metrics import METRICS
from classification.evaluation.rule_kinds import GLOBAL, KINDS, RuleKind
from classification.evaluation.thresholds import Reached, reach_precision, reach_recall
from classification.messages.log import Line, warning

# N rows of validation, C labels.

SMALL = 1000  # rows
PARTS = 5
FEW_ROWS = 10  # of a label
SEARCHES = {"precision": reach_precision, "recall": reach_recall}
TITLES = {"f1_micro": "micro F1", "f1_macro": "macro F1"}

Record = dict[str, object]


@dataclass(frozen=True)
class Rows:
    """Rows of validation: logits [N, C], label ids [N] or [N, C]."""

    logits: np.ndarray
    label_ids: np.ndarray

    def __len__(self) -> int:
        return len(self.logits)


def choose_rule(
    choice: RuleChoice, logits: np.ndarray, label_ids: np.ndarray, task: LabelSpace
) -> tuple[LabelSpace, list[Line], Record | None]:
    """The task with the rule that these rows suggest; given costs are only described.

    Args:
        logits: of the validation rows, [N, C]; label_ids: [N] or [N, C].
        task: calibrated, if at all.

    Returns:
        The task, lines about the rule, and the record of the selection; None where nothing is chosen.
    """
    rows = Rows(logits, np.asarray(label_ids))
    if choice.costs is not None:
        return task, describe_costs(rows, task), None
    if not choice.is_fitted:
        return task, [], None
    kind = KINDS[task.rule_values](default_rule(task))
    return choose_by_f1(choice, rows, kind) if choice.tune_thresholds else choose_by_target(choice, rows, kind)


def choose_by_f1(choice: RuleChoice, rows: Rows, kind: RuleKind) -> tuple[LabelSpace, list[Line], Record]:
    """The rule for the highest micro F1 (`global`) or macro F1; the default rule where that is as good."""
    scope = str(choice.tune_thresholds)
    metric = "f1_micro" if scope == GLOBAL else "f1_macro"

    def figure(decisions: np.ndarray) -> float:
        references, predictions = (kind.task.in_units(ids) for ids in (rows.label_ids, decisions))
        return float(METRICS[kind.task.metrics][metric](references, predictions, None))

    before = figure(kind.task.decide(rows.logits))
    found, decisions = [], np.array(kind.task.decide(rows.logits))
    for inside, outside in small_parts(rows, kind.task):
        found.append(kind.tune(scope, rows.logits[inside], rows.label_ids[inside]))
        decisions[outside] = kind.applied(found[-1]).decide(rows.logits[outside])
    values = np.median(found, axis=0) if found else kind.tune(scope, rows.logits, rows.label_ids)
    chosen = kind.applied(values)
    after = figure(decisions if found else chosen.decide(rows.logits))
    figures = f"{TITLES[metric]} {before:.3f} -> {after:.3f} on {describe_rows(rows, len(found))}"
    lines = warn_about_few(choice, {name: 0 for name in kind.task.names}, rows, kind.task) if scope != GLOBAL else []
    if not after > before:
        lines = [warning(f"{choice.flag}: brought nothing on validation ({figures}), so that the default rule stays")]
        chosen = kind.task
    else:
        lines.insert(0, Line("decision", f"{describe_chosen(chosen)} ({figures})"))
    record = record_of(choice, rows, chosen, parts=len(found), metric=metric, before=before, after=after)
    return chosen, lines, record


def choose_by_target(choice: RuleChoice, rows: Rows, kind: RuleKind) -> tuple[LabelSpace, list[Line], Record]:
    """The rule that reaches a precision or a recall; labels that cannot reach it keep the default rule."""
    assert choice.target is not None
    metric, given = choice.target
    targets, search = kind.task.target_names(given, choice.flag), SEARCHES[metric]
    values, reached = kind.reach(targets, search, rows.logits, rows.label_ids)
    chosen = kind.applied(values)
    decisions, parts = np.array(kind.task.decide(rows.logits)), 0
    for inside, outside in small_parts(rows, kind.task):
        values, _ = kind.reach(targets, search, rows.logits[inside], rows.label_ids[inside])
        decisions[outside] = kind.applied(values).decide(rows.logits[outside])
        parts += 1
    own = chosen.decide(rows.logits)
    before, inside_figures, after = (
        label_figures(each, rows.label_ids, kind.task, list(targets))
        for each in (kind.task.decide(rows.logits), own, decisions if parts else own)
    )
    means = [float(np.mean([row[metric] for row in each.values()])) for each in (before, after)]
    lines = []
    if any(each.cut is not None for each in reached.values()):
        text = describe_reached(before, inside_figures, after if parts else {})
        which = " (the second class)" if isinstance(given, float) and len(targets) < kind.task.num_labels else ""
        lines.append(Line("decision", f"{describe_chosen(chosen)}{which}: {text}, on {describe_rows(rows, parts)}"))
    lines += warn_about_targets(choice, targets, reached, inside_figures)
    lines += warn_about_few(
        choice, {n: each.rows for n, each in reached.items() if each.cut is not None}, rows, kind.task
    )
    labels = {name: {**inside_figures[name], "reached": reached[name].cut is not None} for name in targets}
    record = record_of(choice, rows, chosen, parts=parts, metric=metric, before=means[0], after=means[1])
    return chosen, lines, record | {"target": given, "labels": labels}


def small_parts(rows: Rows, task: LabelSpace) -> list[tuple[np.ndarray, np.ndarray]]:
    """Positions of the rows that choose and of those that are decided, 5 times; none where there are many rows."""
    strata = task.strata(rows.label_ids)
    most = len(rows) if strata.ndim == 2 else int(np.unique(strata, return_counts=True)[1].max())
    count = min(PARTS, most)
    if len(rows) >= SMALL or count < 2:
        return []
    folds = fold_splits(map(str, range(len(rows))), strata, count, seed=0)
    return [(np.array(inside), np.array(outside)) for inside, outside in folds if inside and outside]


def label_figures(
    decisions: np.ndarray, label_ids: np.ndarray, task: LabelSpace, names: list[str]
) -> dict[str, dict[str, float]]:
    """Precision and recall of some labels by name; 0 where none is predicted, or no row has it."""
    guesses, truth = task.indicators(decisions) > 0, task.indicators(label_ids) > 0
    figures = {}
    for name in names:
        guess, true = guesses[:, task.label2id[name]], truth[:, task.label2id[name]]
        hits = int((guess & true).sum())
        figures[name] = {"precision": hits / max(int(guess.sum()), 1), "recall": hits / max(int(true.sum()), 1)}
    return figures


def record_of(
    choice: RuleChoice, rows: Rows, chosen: LabelSpace, *, parts: int, metric: str, before: float, after: float
) -> Record:
    facts = task_as_dict(chosen)
    value = facts.get("thresholds") or facts.get("decision_costs")
    return {
        "what": "decision rule", "split": "validation", "rows": len(rows), "method": choice.flag,
        "value": value or "the most probable class", "cross_fitted": parts > 0, "parts": parts, "metric": metric,
        "before": before, "after": after,
    }  # fmt: skip


# -------------------------------------------------------------------------------------------------------- log output


def describe_chosen(task: LabelSpace) -> str:
    return task.describe_rule() or "the default rule"


def describe_rows(rows: Rows, parts: int) -> str:
    how = f"cross-fitted in {parts} parts" if parts else "which have chosen the rule"
    return f"{len(rows):,} validation rows, {how}"


def describe_reached(
    before: Mapping[str, Mapping[str, float]], own: Mapping[str, Mapping[str, float]],
    crossed: Mapping[str, Mapping[str, float]],
) -> str:  # fmt: skip
    """Precision and recall of each label by the default rule and by the chosen one; `crossed` is cross-fitted."""
    texts = []
    for name in before:
        pairs = (f"{figure} {before[name][figure]:.3f} -> {own[name][figure]:.3f}" for figure in before[name])
        fair = ", ".join(f"{value:.3f}" for value in crossed[name].values()) if crossed else ""
        texts.append(f"{name!r} {', '.join(pairs)}{f' ({fair} cross-fitted)' if fair else ''}")
    return join_first(texts, 4)


def warn_about_targets(
    choice: RuleChoice, targets: Mapping[str, float], reached: Mapping[str, Reached],
    own: Mapping[str, Mapping[str, float]],
) -> list[Line]:  # fmt: skip
    """Labels that cannot reach their target, and those that other labels keep from it."""
    assert choice.target is not None
    metric, lines = choice.target[0], []
    for name, each in reached.items():
        if each.cut is None:
            best = (
                f"the best is {getattr(each, metric):.3f}, with {each.rows} rows predicted"
                if each.positives else "no validation row has it"
            )  # fmt: skip
            lines.append(
                warning(f"{choice.flag}: not reached for {name!r} on validation ({best}); its default rule stays")
            )
        elif own[name][metric] < targets[name] - 1e-9:
            lines.append(
                warning(
                    f"{choice.flag}: {name!r} has a {metric} of {own[name][metric]:.3f} only, because the targets of "
                    "other classes move its rows. Ask for fewer targets"
                )
            )
    return lines


def warn_about_few(choice: RuleChoice, predicted: Mapping[str, int], rows: Rows, task: LabelSpace) -> list[Line]:
    """Labels whose rule is a guess; `predicted` has rows by name, 0 where that does not matter."""
    counts = dict(zip(task.names, (task.indicators(rows.label_ids) > 0).sum(axis=0).tolist(), strict=True))
    rare = [f"{name} ({counts[name]})" for name in predicted if counts[name] < FEW_ROWS]
    thin = [f"{name} ({count})" for name, count in predicted.items() if 0 < count < FEW_ROWS <= counts[name]]
    has_hint = choice.tune_thresholds and GLOBAL in task.tune_scopes
    hint = ". --tune_thresholds global is more stable" if has_hint else ""
    lines = []
    if rare:
        lines.append(warning(f"few validation rows have label {join_first(rare)}: its rule is a guess{hint}"))
    if thin:
        lines.append(warning(f"the rule is chosen by few predictions of {join_first(thin)}: it may not hold elsewhere"))
    return lines


def describe_costs(rows: Rows, task: LabelSpace) -> list[Line]:
    """What given costs bring: the cost per row of the most probable classes, and of the cheapest ones."""
    costs = np.array(task.costs)
    before, after = (
        float(costs[rows.label_ids.astype(np.int64), each.decide(rows.logits)].mean())
        for each in (default_rule(task), task)
    )
    return [Line("decision", f"cost per row {before:.4g} -> {after:.4g} on {len(rows):,} validation rows")]
