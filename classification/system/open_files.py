"""How many files, connections included, this process may have open."""

from __future__ import annotations

from contextlib import suppress

MOST_FILES = 65_536


def allow_open_files() -> None:
    """Allow as many open files as the system lets this user have, up to `MOST_FILES`."""
    try:
        import resource
    except ImportError:  # Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
