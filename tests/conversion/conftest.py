"""A function that converts a made release in this process."""

from __future__ import annotations

import pytest
from made_releases import run_reader_here

from classification.conversion.checkpoint_conversion import ConversionChoice, convert


@pytest.fixture
def converted(tmp_path, monkeypatch):
    """A function: a release and the fields of a `ConversionChoice` -> the new folder."""
    run_reader_here(monkeypatch)

    def run(source, out=tmp_path / "out", **choice):
        convert(ConversionChoice(source, out, **choice), lambda: ["python"])
        return out

    return run
