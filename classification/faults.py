"""Faults that a run brings upon itself, so that users can prove on their own disk that nothing is lost."""

from __future__ import annotations


def fault_at(place: str) -> None:
    """A place of the run where a fault may happen (`--inject_fault`)."""
