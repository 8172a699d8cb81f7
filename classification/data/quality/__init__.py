"""In: splits with encoded labels. Out: findings, each kind in a file of its own.

To add a check, write a function `Inspected -> list[Finding]` in a new file and add one line to `CHECKS`.
"""

from __future__ import annotations

from datasets import DatasetDict

from classification.data.findings import Finding
from classification.data.labels import LabelSpace
from classification.data.quality.class_coverage import find_missing_classes
from classification.data.quality.conflicting_labels import find_conflicting_labels
from classification.data.quality.duplicates import drop_repeats
from classification.data.quality.imbalance import find_imbalance
from classification.data.quality.inspected import Check, Inspected
from classification.data.quality.label_order import check_order
from classification.data.quality.label_spellings import find_label_spellings
from classification.data.quality.leaks import find_leaks
from classification.data.quality.markup import find_markup
from classification.data.quality.repeated_rows import find_repeated_rows
from classification.data.quality.telltale_words import find_telltale_words

__all__ = ["CHECKS", "Check", "Inspected", "check_order", "drop_repeats", "inspect_corpus"]

CHECKS: tuple[Check, ...] = (
    find_repeated_rows,
    find_leaks,
    find_conflicting_labels,
    find_label_spellings,
    find_missing_classes,
    find_imbalance,
    find_telltale_words,
    find_markup,
)


def inspect_corpus(
    splits: DatasetDict,
    task: LabelSpace,
    *,
    split_off: bool,
    has_imbalance_flag: bool,
    check_rows: int | None = None,
    seed: int = 0,
) -> list[Finding]:
    """The findings of all checks, in time linear in the rows; clean data has none.

    Args:
        splits: `id, text, text_pair?, label?` with encoded labels; train is the first, then validation and test.
        split_off: whether validation was split off train.
        has_imbalance_flag: whether a flag against imbalance was given.
        check_rows: rows of each split whose words are read, by a draw with `seed`; None for all.
    """
    inspected = Inspected(splits, task, split_off, has_imbalance_flag, check_rows, seed)
    findings = [finding for check in CHECKS for finding in check(inspected)]
    return findings + inspected.sample.findings(what="near copies and telltale words")
