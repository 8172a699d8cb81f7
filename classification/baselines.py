"""The earlier place of a command: answers with the new command line."""

from __future__ import annotations

import sys


def main() -> int:
    print(
        "error: this command has moved: python scripts/baselines.py " + " ".join(sys.argv[1:] or ["..."]),
        file=sys.stderr,
    )
    return 2


if __name__ == "__main__":
    sys.exit(main())
