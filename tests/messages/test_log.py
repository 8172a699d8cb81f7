"""Lines about decisions, as they are logged."""

from __future__ import annotations

import logging

from classification.messages.log import Line, log_lines, warning


def test_a_label_with_a_line_end_leaves_a_decision_and_a_warning_on_one_line(caplog):
    caplog.set_level(logging.INFO)
    log_lines([Line("decision", "the weight of a\nb is 2"), warning("no row has a\nb"), Line("", "\nFiles:\n  a")])
    assert [record.getMessage() for record in caplog.records] == [
        r"decision     the weight of a\nb is 2",
        r"no row has a\nb",
        "\nFiles:\n  a",
    ]
