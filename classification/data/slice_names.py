"""The names of `--slice_columns`, checked without the data: a result that has a name keeps it."""

from __future__ import annotations

from collections.abc import Sequence

from classification.data.named_columns import shown
from classification.errors import UsageError

FLAG = "--slice_columns"
OF_PREDICTIONS = ("id", "text", "text_pair", "label", "prediction", "tokens", "truncated")  # of predictions.csv
PROBABILITY = "prob_"
OF_RESULTS = ("length", "in train")  # slices of the results themselves


def check_slice_names(names: Sequence[str]) -> None:
    """Refuse names that a result has already.

    Args:
        names: without quotes, as from `bare_names`.

    Raises:
        UsageError: such a name, or one that is given twice.
    """
    for name in names:
        if name in OF_PREDICTIONS or name.startswith(PROBABILITY):
            problem = "predictions.csv has a column of this name already"
        elif name in OF_RESULTS:
            problem = "the results have slices of this name already"
        elif names.count(name) > 1:
            raise UsageError(f"{FLAG} {','.join(map(shown, names))}: names a column twice. Name each once.")
        else:
            continue
        raise UsageError(f"{FLAG} {shown(name)}: {problem}. Give the column another name in the file.")
