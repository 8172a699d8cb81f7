"""The limit of open files is raised as far as the system allows."""

from __future__ import annotations

import pytest

from classification.system import open_files

resource = pytest.importorskip("resource")


def test_a_low_limit_is_raised_to_what_is_allowed(monkeypatch):
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    low = min(before[0], 512)
    resource.setrlimit(resource.RLIMIT_NOFILE, (low, before[1]))
    try:
        monkeypatch.setattr(open_files, "MOST_FILES", low + 7)
        open_files.allow_open_files()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (low + 7, before[1])
        monkeypatch.setattr(open_files, "MOST_FILES", 5)  # it is never lowered
        open_files.allow_open_files()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == low + 7
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
