"""A model with dropout, and the process that forks the runs that are killed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from helpers import command_line, make_bert, make_tokenizer
from reliability.kill_chains import Fall, summary, table
from reliability.kill_runs import serving


@pytest.fixture(scope="session")
def dropout_model(tmp_path_factory) -> str:
    """A tiny encoder whose every step draws random numbers."""
    folder = tmp_path_factory.mktemp("kill_models") / "tiny-bert"
    make_bert(hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1).bert.save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("kill_server")) as server:
        yield server


@pytest.fixture(scope="session")
def kill_command(dropout_model, shared_files):
    """A function that builds the command line of a run of three epochs with 8 steps each, without its folder."""
    standard = {"model_name_or_path": dropout_model, **shared_files}
    return lambda **flags: command_line(standard, {"num_train_epochs": 3} | flags)


@pytest.fixture(scope="module")
def falls(request):
    """Every kill of a test file, printed at its end; `KILL_TABLE=file` appends it to a file."""
    found: list[Fall] = []
    yield found
    text = f"{table(found)}\n\n{summary(found)}"
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        sys.stdout.write(f"\n{text}\n")
    if os.environ.get("KILL_TABLE"):
        with Path(os.environ["KILL_TABLE"]).open("a", encoding="utf-8") as handle:
            handle.write(text + "\n")
