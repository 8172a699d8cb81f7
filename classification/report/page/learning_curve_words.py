"""A learning curve in words: whether more labels would help, and what twice the rows may give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from classification.errors import join_first
from classification.evaluation.significance import BASELINE, MODEL
from classification.report.number_format import number
from classification.report.run_words import MetricWords, words_of


def verdict_words(curve: Mapping[str, Any]) -> str:
    """Whether the last rows of train have helped by more than chance, by a paired test on the validation rows.

    Args:
        curve: the content of learning_curve.json.
    """
    gain, words = curve["gain"], words_of(curve["metric"])
    collapsed = [f"{point['percent']:g}%" for point in curve["points"] if "collapsed" in point]
    caveat = f" (the model has collapsed at {join_first(collapsed)}: change the training first)" if collapsed else ""
    return f"{gain_words(gain, words)} on {gain['rows']:,} validation rows{caveat}"


def gain_words(gain: Mapping[str, Any], words: MetricWords) -> str:
    """The result of the paired test, and the difference with its interval."""
    rows = f"{gain['percent']:g}% to 100% of train"
    sign = -1 if words.lower_is_better else 1
    low, high = sorted((sign * gain["low"], sign * gain["high"]))
    if gain["verdict"] == MODEL:
        verb = "lowered" if words.lower_is_better else "raised"
        by = f"{amount(sign * gain['difference'], words)}{words.unit} ({amount(low, words)} to {amount(high, words)})"
        return f"more labels would help: {rows} {verb} {words.noun} by {by}"
    limits = sorted((gain["low"], gain["high"]))
    by = f"{signed(gain['difference'], words)}{words.unit} ({' to '.join(signed(limit, words) for limit in limits)})"
    if gain["verdict"] == BASELINE:
        return f"more labels did not help: {rows} changed {words.noun} by {by}"
    return f"no clear gain: {rows} changed {words.noun} by {by}"


def extrapolation_words(curve: Mapping[str, Any]) -> str:
    """What twice the rows may give if the curve goes on, or why nothing is said about it."""
    found, words = curve["extrapolation"], words_of(curve["metric"])
    if "absent" in found:
        return f"not continued beyond {curve['points'][-1]['rows']:,} rows: {found['absent']}"
    gain = f"{amount(found['gain'], words)}{words.unit}"
    limits = f"{amount(found['gain_low'], words)} to {amount(found['gain_high'], words)}"
    return (
        f"{found['rows']:,} rows may give {words.noun} {words.show(found['value'])} ({words.show(found['low'])} to "
        f"{words.show(found['high'])}), better by {gain} ({limits}), if the power law of these points goes on"
    )


def amount(value: float, words: MetricWords) -> str:
    """A difference in units of the metric, without the unit.

    >>> amount(0.0213, words_of("accuracy")), amount(0.0213, words_of("f1_micro")), amount(-3.25, words_of("rmse"))
    ('2.1', '0.021', '−3.25')
    """
    minus = "−" if value < 0 else ""
    shown = abs(value) * words.factor
    return f"{minus}{shown:.1f}" if words.unit else f"{minus}{number(shown)}"


def signed(value: float, words: MetricWords) -> str:
    """`amount` with a sign in any case."""
    return f"{'' if value < 0 else '+'}{amount(value, words)}"
