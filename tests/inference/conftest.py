"""Fixtures of several files in this folder."""

from __future__ import annotations

import pytest
from made_parts import predict


@pytest.fixture
def expected(tmp_path) -> bytes:
    predict(tmp_path / "expected.csv")
    return (tmp_path / "expected.csv").read_bytes()
