"""The smallest command line: one training file."""

from __future__ import annotations

import pytest
import yaml


@pytest.fixture
def train(tmp_path) -> list[str]:
    (tmp_path / "a.csv").write_text("text,label\ngood,1\nbad,0\n")
    return ["--train_file", str(tmp_path / "a.csv")]


@pytest.fixture
def preset(tmp_path):
    """A function that writes its keywords as a preset and returns the path."""

    def write(**content) -> str:
        path = tmp_path / "preset.yaml"
        path.write_text(yaml.safe_dump(content))
        return str(path)

    return write
