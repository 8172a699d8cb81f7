"""The console prints facts as they are and warnings marked, and leaves the libraries as they were."""

from __future__ import annotations

import logging

import datasets
import pytest
import transformers

from classification.messages.log import OUR_LOGGERS, Line, log_lines, warning
from classification.reporting.console import console, log_table, muted, text_width


def state() -> tuple:
    loggers = [logging.getLogger(name) for name in (*OUR_LOGGERS, "datasets")]
    return (
        [(log.handlers, log.propagate, log.level) for log in loggers],
        transformers.utils.logging.get_verbosity(),
        transformers.utils.logging.is_progress_bar_enabled(),
        datasets.are_progress_bars_disabled(),
    )


def test_lines_have_their_topics_in_one_column_and_warnings_are_marked(capsys):
    with console(quiet=True):
        log_lines([Line("task", "2 classes"), warning("few rows")], title="data")
    assert capsys.readouterr().out == "\ndata\ntask         2 classes\nwarning: few rows\n"


@pytest.mark.parametrize("ends_by_an_error", [False, True])
def test_handlers_levels_and_bars_are_restored(ends_by_an_error):
    """A program that calls `main` keeps its own logging."""
    before, own = state(), logging.NullHandler()
    logging.getLogger("recipe").addHandler(own)
    try:
        with console(quiet=True):
            assert own not in logging.getLogger("recipe").handlers
            assert logging.getLogger("recipe").level == logging.INFO
            if ends_by_an_error:
                raise KeyError
    except KeyError:
        assert ends_by_an_error
    assert own in logging.getLogger("recipe").handlers
    logging.getLogger("recipe").removeHandler(own)
    assert state() == before


def test_only_the_main_process_prints_facts(capsys, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    with console(quiet=True):
        log_lines([Line("task", "2 classes"), warning("few rows")])
    assert not capsys.readouterr().out


def test_a_run_inside_a_run_is_muted(capsys):
    with console(quiet=True):
        with muted():
            log_lines([Line("task", "of the inner run")])
        log_lines([Line("task", "of the outer run")])
    assert capsys.readouterr().out == "task         of the outer run\n"


def test_a_table_lines_up_in_every_script(capsys):
    with console(quiet=True):
        log_table("test", ["f1", "support"], {"电影": [0.25, 12], "film": [None, 3]})
    header, *rows = capsys.readouterr().out.splitlines()[-3:]
    assert [text_width(line) for line in (header, *rows)] == [text_width(header)] * 3
    assert rows[0].split() == ["电影", "0.2500", "12"] and rows[1].split() == ["film", "3"]


def test_east_asian_letters_take_two_columns():
    assert (text_width("电影"), text_width("film"), text_width("e\u0301")) == (4, 4, 1)


def test_a_run_inside_a_run_shows_what_has_happened_to_it(capsys):
    """Once, also where one run inside another has a run of its own; afterwards the loggers are as they were."""
    names = ("smaller_batches", "smaller_evaluation", "faults")
    loggers = [logging.getLogger(f"classification.training.{name}") for name in names]
    before = [log.level for log in loggers]
    with console(quiet=True):
        with muted(), muted():
            for log in loggers:
                log.warning("warning of %s", log.name)
                log.info("fact of %s", log.name)
    assert capsys.readouterr().out.splitlines() == [f"warning: warning of {log.name}" for log in loggers]
    assert [log.level for log in loggers] == before


def test_a_run_inside_a_run_shows_only_its_progress(capsys):
    with console(quiet=False), muted():
        logging.getLogger("classification.training.callbacks").info("an epoch's line")
        logging.getLogger("classification.messages.progress").info("training      50%")
    assert capsys.readouterr().out == "training      50%\n"
