"""The command line of a study; a test file may have an `options` of its own."""

from __future__ import annotations

import pytest

from classification.cli.parser import parse_arguments


@pytest.fixture
def options(tmp_path):
    """A function that parses a command line."""
    (tmp_path / "a.csv").write_text("text,label\n")
    words = [f"--train_file={tmp_path / 'a.csv'}", f"--output_dir={tmp_path / 'out'}"]
    return lambda *more: parse_arguments([*words, *more])
