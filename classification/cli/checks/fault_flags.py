"""Check of the faults that a run brings upon itself."""

from __future__ import annotations

from classification.cli.flags import Flags
from classification.training.faults import parse_faults


def check_faults(flags: Flags) -> None:
    """Every fault of `--inject_fault` can happen."""
    parse_faults(flags.run.inject_fault)
