"""Moved: prints the new command line and exits with code 2."""

from __future__ import annotations

import shlex
import sys


def main() -> int:
    print(f"error: this command has moved: python scripts/baselines.py {shlex.join(sys.argv[1:])}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
