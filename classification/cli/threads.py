"""How the processes of a command share the CPU cores with other programs.

Between two parallel sections, a thread of OpenMP spins for some milliseconds before it sleeps. That is the fastest way
as long as it has a core of its own. Beside another run it keeps the core from the thread that everybody waits for.
"""

from __future__ import annotations

from collections.abc import MutableMapping

SPINS = "2000"  # of the loop that waits; the default of libgomp is 300,000
CHOSEN_BY_USER = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")  # KMP_BLOCKTIME means nothing to libgomp; accelerate sets it


def shorten_spinning(environment: MutableMapping[str, str]) -> None:
    """Let waiting threads sleep soon. The OpenMP runtime reads this once, when torch is imported.

    A value that the user has set wins. Processes that the command starts inherit the setting.
    """
    if not any(name in environment for name in CHOSEN_BY_USER):
        environment["GOMP_SPINCOUNT"] = SPINS
