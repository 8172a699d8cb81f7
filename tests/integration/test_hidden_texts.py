"""`--report_texts false`: no line of the log and no file but the data's own outputs holds a piece of a row's text."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path

import pytest
from canary_rows import CANARY, TASKS, files_of, single
from corpus import write_csv

import classification.errors
from classification.cli.usage_errors import print_traceback
from classification.errors import RunError, UsageError
from run_classification import main

OWN = {"predictions.csv", "suspect_labels.csv", "oof.csv", "out_of_fold_predictions.csv"}  # hold the rows on purpose


def shown(words: list[str], *, error: type[BaseException] | None = None) -> str:
    """All that the command line prints; the error that it must end with is printed as the shell sees it."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        if error is None:
            main(words)
        else:
            with pytest.raises(error) as raised:
                main(words)
            print_traceback(raised.type, raised.value, raised.tb)
            print(f"error: {raised.value}")
    return out.getvalue() + err.getvalue()


def holders(folder: Path) -> list[str]:
    """The files that hold a piece of a text, and are not meant to."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in OWN]
    return [str(path.relative_to(folder)) for path in files if CANARY.encode() in path.read_bytes().lower()]


def lines_with(text: str) -> list[str]:
    return [line for line in text.splitlines() if CANARY in line.lower()]


@pytest.mark.parametrize("name", TASKS)
def test_a_run_of_each_task_shows_no_text(name, command, tmp_path):
    make, flags = TASKS[name]
    words = command(**files_of(tmp_path, make), **flags, suspect_labels=True, report_texts=False)
    text = shown(words)
    assert not lines_with(text) and not holders(tmp_path / "out")
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    kinds = {finding["kind"] for finding in record["findings"]}
    assert {"unknown_tokens", "markup", "exact_duplicates"} <= kinds  # the checks have found what would be quoted
    assert all(CANARY in row for row in (tmp_path / "out" / "predictions.csv").read_text().splitlines()[1:])


def test_with_texts_the_same_run_quotes_them(command, tmp_path):
    """The tests above can fail."""
    text = shown(command(**files_of(tmp_path, single), check_data=True))
    assert lines_with(text) and "data_checks.json" in holders(tmp_path / "out")


@pytest.mark.parametrize("flags", [{"check_data": True, "suspect_labels": True}, {"dry_run": True}], ids=str)
def test_checks_and_a_dry_run_show_no_text(flags, command, tmp_path):
    text = shown(command(**files_of(tmp_path, single), **flags, report_texts=False))
    assert not lines_with(text) and not holders(tmp_path / "out")
    assert "<hidden>" in text


def write(path: Path, content: str) -> str:
    path.write_text(content, encoding="utf-8")
    return str(path)


ROW = '"canary one is good",positive\n"canary two is bad",negative\n'
BROKEN = {  # files with an error in the data
    "an object for a text": ("a.jsonl", '{"text": {"canary": 1}, "label": "a"}\n{"text": "b", "label": "b"}\n', {}),
    "a list": ("a.jsonl", '{"text": ["canary"], "label": "a"}\n{"text": ["canary"], "label": "b"}\n', {}),
    "broken JSON": ("a.jsonl", '{"text": "canary", "label": "a"}\n{"text": "canary", "label": canary}\n', {}),
    "a key twice": ("a.jsonl", '{"text": "canary", "text": "canary", "label": "a"}\n', {}),
    "a key twice that is a text": ("a.jsonl", '{"canary one": 1, "canary one": 2}\n', {}),
    "an unclosed quotation mark": ("a.csv", 'text,label\n"canary one,positive\n', {}),
    "more cells than names": ("a.csv", f"text,label\n{ROW}canary, three, is good,positive\n", {}),
    "no header": ("a.csv", ROW * 3, {}),
    "no header, a column named": ("a.csv", ROW * 3, {"text_column_names": "canari one is good"}),
    "the same name twice": ("a.csv", f'"canary, x","canary, x"\n{ROW}', {}),
    "a list among names": ("a.csv", f'text,label\n{ROW}b,"[""canary""]"\n', {}),
    "a list inside a list": ("a.jsonl", '{"text": "b", "label": [["canary"]]}\n{"text": "c", "label": ["d"]}\n', {}),
    "broken lists": ("a.csv", 'text,label\na,"[""b""]"\nb,"[""c""]"\nc,"[canary]"\n', {}),
    "words among numbers": ("a.csv", f"text,label\n{ROW}", {"do_regression": True}),
    "few words among numbers": ("a.csv", "text,label\n" + "".join(f"a,{i}.5\n" for i in range(20)) + "b,canary\n", {}),
    "no date": ("a.csv", "text,label,day\nb,c,canary\nd,e,canary\n",
                {"time_column": "day", "validation_strategy": "time"}),
    "one group": ("a.csv", "text,label,who\nb,c,canary\nd,e,canary\n", {"validation_group_column": "who"}),
    "neither 0 nor 1": ("a.csv", "text,x,y\na,0,1\nb,1,canary\n", {"label_column_names": "x,y"}),
    "an object among flags": ("a.jsonl", '{"text": "a", "label": {"x": 1, "y": 0}}\n{"text": "b", "label": "canary"}',
                              {}),
    "objects without a name": ("a.jsonl", '{"text": "a", "label": {"canary a": 1.5, "canary b": 2}}\n', {}),
    "lists as numbers": ("a.jsonl", '{"text": "a", "label": ["canary"]}\n{"text": "b", "label": []}',
                         {"do_regression": True}),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_an_error_in_the_data_quotes_no_row(name, command, tmp_path):
    file, content, flags = BROKEN[name]
    data = {"train_file": write(tmp_path / file, content), "validation_file": None, "test_file": None}
    text = shown(command(**data, **flags, report_texts=False), error=UsageError)
    typed = flags.get("text_column_names", "")
    assert not lines_with(text.replace(typed, "") if typed else text)


def test_another_encoding_quotes_no_row(command, tmp_path):
    file = tmp_path / "a.csv"
    file.write_bytes("text,label\ncanary über,a\ncanary öl,b\n".encode("latin-1"))
    text = shown(command(train_file=str(file), report_texts=False), error=UsageError)
    assert "not valid UTF-8" in text and not lines_with(text)


def test_an_unknown_label_in_test_is_named_by_its_row(command, tmp_path):
    data = files_of(tmp_path, single)
    rows = [*single(4, 9), {"id": "odd", "text": "a", "label": "canary slipped into the label"}]
    data["test_file"] = write_csv(tmp_path / "odd.csv", rows)
    text = shown(command(**data, report_texts=False), error=UsageError)
    assert "odd" in text and "<hidden>" in text and not lines_with(text)


def test_a_diverged_run_names_rows_by_id(command, tmp_path):
    flags = {"learning_rate": 1e38, "optim": "sgd", "max_grad_norm": 0, "num_train_epochs": 3}
    text = shown(command(**files_of(tmp_path, single), **flags, report_texts=False), error=RunError)
    assert "r1-" in text and not lines_with(text)


def test_the_error_of_a_library_is_named_without_its_message(command, tmp_path, monkeypatch):
    """With `--debug` too, whichever part of the run fails."""
    from classification.reporting import scores

    messages = [f"{CANARY} in the cause", f"cannot convert '{CANARY} one'"]  # no line of the code quotes them

    def fail(*args, **kwargs):
        try:
            raise KeyError(messages[0])
        except KeyError as cause:
            raise ValueError(messages[1]) from cause

    monkeypatch.setattr(classification.errors, "FORGIVING", True)
    monkeypatch.setattr(sys, "argv", ["run_classification.py", "--debug"])
    monkeypatch.setattr(scores, "write_predictions", fail)
    text = shown(command(**files_of(tmp_path, single), report_texts=False), error=RunError)
    assert "ValueError: its message may quote a row" in text and "in fail" in text and not lines_with(text)
    monkeypatch.setattr(scores, "predict_split", fail)
    text = shown(
        command(**files_of(tmp_path, single), report_texts=False, output_dir=str(tmp_path / "two")), error=RunError
    )
    assert "The prediction of test failed: ValueError" in text and not lines_with(text)


def test_the_flag_ends_with_its_run(command, tmp_path):
    shown(command(**files_of(tmp_path, single), report_texts=False, check_data=True))
    assert lines_with(shown(command(**files_of(tmp_path, single), check_data=True)))


def test_a_study_shows_no_text(command, tmp_path):
    data = files_of(tmp_path, single) | {"validation_file": None}
    text = shown(command(**data, folds=2, report_texts=False, suspect_labels=True))
    assert not lines_with(text) and not holders(tmp_path / "out")
