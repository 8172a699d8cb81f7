"""In: flags. Out: an error for the first value that cannot be meant; nothing here needs data.

Each message names the flag, the value and the remedy.
"""

from __future__ import annotations

from classification.cli.checks.average_flags import check_average
from classification.cli.checks.curve_flags import check_curve
from classification.cli.checks.fault_flags import check_faults
from classification.cli.checks.label_flags import check_labels
from classification.cli.checks.model_files import check_model_files
from classification.cli.checks.model_flags import (
    check_early_stopping,
    check_model,
    check_scratch,
    check_truncation,
)
from classification.cli.checks.number_ranges import check_numbers
from classification.cli.checks.path_flags import check_folders, check_words
from classification.cli.checks.push_flags import check_push
from classification.cli.checks.rate_flags import check_rates_and_passes
from classification.cli.checks.search_flags import check_search
from classification.cli.checks.source_flags import check_columns, check_sources, check_validation_flags
from classification.cli.checks.study_flags import check_baselines, check_study
from classification.cli.checks.teacher_flags import check_teacher
from classification.cli.checks.trainer_flags import check_trainer
from classification.cli.flags import Flags

CHECKS = (
    check_words,
    check_scratch,
    check_sources,
    check_columns,
    check_numbers,
    check_trainer,
    check_folders,
    check_truncation,
    check_validation_flags,
    check_labels,
    check_model,
    check_early_stopping,
    check_rates_and_passes,
    check_average,
    check_study,
    check_baselines,
    check_search,
    check_curve,
    check_push,
    check_faults,
    check_model_files,
    check_teacher,
)


def check_flags(flags: Flags) -> None:
    """Raise a UsageError for the first flag that is wrong by itself or contradicts another."""
    for check in CHECKS:
        check(flags)
