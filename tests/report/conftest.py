"""Fixtures of the tests of the report: a browser, where there is one, and runs that draw their whole page."""

from __future__ import annotations

import pytest
from browsing import started_browser


@pytest.fixture(scope="module")
def browser():
    """Chromium, for one file of tests: the event loop of playwright is not left to other files."""
    with started_browser() as browser:
        yield browser


@pytest.fixture(scope="module", autouse=True)
def whole_pages(quick_pages):
    """The runs of these tests draw their whole page."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("classification.experiments.run_pages.draw_report", quick_pages)
        yield
