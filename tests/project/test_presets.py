"""The shipped presets: each parses, and tells how and on what hardware it is run."""

from __future__ import annotations

import pytest
from helpers import ROOT

from classification.cli.parser import parse_arguments

PRESETS = sorted((ROOT / "presets").glob("*.yaml"))


def test_there_are_presets():
    assert len(PRESETS) >= 6


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.name)
def test_every_preset_parses_and_tells_how_it_is_run(path):
    parse_arguments([str(path)])
    header = path.read_text(encoding="utf-8").split("\n\n")[0]
    assert "Command:" in header and "Hardware:" in header
