"""The content of data_statistics.json: what the training data looked like, without any of its texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from classification.data.text_sums import TextSums, quantiles_of

FILE = "data_statistics.json"
FORMAT = 1


def statistics_content(
    sums: TextSums, *, rows: int, columns: Mapping[str, Any], pairs: bool, languages: bool
) -> dict[str, Any]:
    """The content of the file, as JSON can hold it.

    Args:
        sums: over the rows of train, or over an even sample of them.
        rows: of train. columns: the user's names of them. pairs: whether a row has two texts.
        languages: whether the shares of function words are saved.
    """
    return {
        "format": FORMAT,
        "rows": rows,
        "measured_rows": sums.rows,
        **columns,
        "has_pairs": pairs,
        "tokens": quantiles_of(sums.full_lengths),
        "unknown_tokens": rounded(sums.unknown / max(sums.rows, 1)),
        "characters_per_token": rounded(sums.characters / max(sums.tokens, 1)),
        "scripts": largest_first(sums.shares("scripts")),
        "function_words": largest_first(sums.shares("languages")) if languages else {},
        "classes": {name: rounded(share) for name, share in sums.shares("classes").items()},
    }


def largest_first(shares: Mapping[str, float]) -> dict[str, float]:
    ordered = sorted(shares.items(), key=lambda item: (-item[1], item[0]))
    return {name: rounded(share) for name, share in ordered}


def rounded(value: float) -> float:
    return round(value, 6)
