"""TEMPORARY: old imports."""

from corpus import several_rows  # noqa: F401
