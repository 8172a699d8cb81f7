"""Fixtures of the tests of the report: a browser, where there is one."""

from __future__ import annotations

import pytest
from browsing import started_browser


@pytest.fixture(scope="module")
def browser():
    """Chromium, for one file of tests: the event loop of playwright is not left to other files."""
    with started_browser() as browser:
        yield browser
