"""In: flags. Out: an error for the first value that cannot be meant; nothing here needs data.

Each message names the flag, the value and the remedy.
"""

from __future__ import annotations

from classification.cli.checks.label_flags import check_labels
from classification.cli.checks.model_flags import (
    check_early_stopping,
    check_model,
    check_numbers,
    check_scratch,
    check_trainer,
    check_truncation,
)
from classification.cli.checks.source_flags import check_sources, check_validation_flags
from classification.cli.checks.study_flags import check_baselines, check_study
from classification.cli.flags import Flags

CHECKS = (
    check_scratch,
    check_sources,
    check_trainer,
    check_numbers,
    check_truncation,
    check_validation_flags,
    check_labels,
    check_model,
    check_early_stopping,
    check_study,
    check_baselines,
)


def check_flags(flags: Flags) -> None:
    """Raise a UsageError for the first flag that is wrong by itself or contradicts another."""
    for check in CHECKS:
        check(flags)
