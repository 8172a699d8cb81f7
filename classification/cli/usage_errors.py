"""How the shell sees an error of usage."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from classification.errors import UsageError

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def exit_on_usage_error(
    function: Callable[Parameters, Result], *arguments: Parameters.args, **options: Parameters.kwargs
) -> Result:
    """Call a function; a UsageError prints one line and exits with code 2. `--debug` keeps the traceback."""
    try:
        return function(*arguments, **options)
    except UsageError as error:
        if "--debug" in sys.argv:
            raise
        if int(os.environ.get("RANK", 0)) == 0:
            print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
