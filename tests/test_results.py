"""TEMPORARY: old imports."""

from helpers import MODEL_FILES, RUN_FILES, read_predictions  # noqa: F401
