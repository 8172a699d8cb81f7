"""predict.py gives what the training run wrote into predictions.csv, for every kind of task, head and text."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from corpus import long_rows, make_rows, rare_rows, write_splits
from helpers import ROOT, Finished, assert_refused

from classification.data.sources import row_batches
from classification.errors import Stopped, UsageError
from classification.inference.padded_engine import PaddedEngine
from classification.inference.predictor import Predictor
from predict import load, main


def make_pairs(count: int, seed: int) -> list[dict]:
    rows = make_rows(count, seed)
    rows = [{"premise": row["text"], "hypothesis": "it was good", "label": row["label"]} for row in rows]
    for row in rows[::5]:
        row["hypothesis"] = ""  # a pair without a second text is read as a single text
    return rows


@pytest.fixture(scope="module")
def runs(finished, data, several, numbers, three_costs):
    """A function that gives the run of a kind, and its test file."""
    long = write_splits(data, "predict_long", long_rows, 48, 20, 20)
    pairs = write_splits(data, "predict_pairs", make_pairs, 64, 24, 24)
    rare = write_splits(data, "predict_rare", rare_rows, 96, 60, 60)
    kinds = {
        "one label": {},
        "several labels with thresholds": {**several, "tune_thresholds": "per_label"},
        "costs": {**rare, "costs": three_costs, "num_train_epochs": 2},
        "a number": numbers,
        "pairs": pairs,
        "windows": {**long, "truncation_strategy": "window", "max_seq_length": 16, "window_stride": 6},
        "head and tail": {**long, "truncation_strategy": "head_tail", "max_seq_length": 16},
        "a temperature": {"calibrate": True, "num_train_epochs": 2},
        "an adapter": {"lora_r": 2, "lora_merge": False},
        "a pooled head": {"pooling": "mean"},
    }

    def run(kind: str) -> Finished:
        return finished(**kinds[kind])

    run.kinds = kinds
    return run


@pytest.fixture(scope="module")
def three_costs(data):
    path = data / "predict_costs.csv"
    path.write_text(",negative,positive\nnegative,0,1\npositive,9,0\n", encoding="utf-8")
    return path


def read(path) -> list[dict]:
    with open(path, encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def its_test_file(run: Finished) -> str:
    return run.account["arguments"]["test_file"]


KINDS = (
    "one label", "several labels with thresholds", "costs", "a number", "pairs", "windows", "head and tail",
    "a temperature", "an adapter", "a pooled head",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_predicted_as_the_training_run_did(runs, kind, tmp_path):
    run = runs(kind)
    trust = ["--trust_remote_code"] if kind == "a pooled head" else []
    out = tmp_path / "out.csv"
    result = main([str(run.folder), its_test_file(run), "-o", str(out), "--precision", "fp32", *trust])
    expected, found = run.predictions, read(out)
    assert result["rows"] == len(found) == len(expected)
    for old, new in zip(expected, found, strict=True):
        assert new["truncated"] == old["truncated"]
        if kind == "a number":
            assert float(new["prediction"]) == pytest.approx(float(old["prediction"]), abs=1e-5)
        elif kind.startswith("several"):
            assert old["prediction"].split("|") == (json.loads(new["prediction"]) or [""])
        else:
            assert new["prediction"] == old["prediction"]
        for name in (name for name in old if name.startswith("prob_")):
            assert abs(float(new[name]) - float(old[name])) <= 1.01e-6, (name, old, new)
    if not kind.startswith("several"):  # whose labels have a delimiter that only the training was told
        headline = "test_rmse" if kind == "a number" else "test_loss"
        assert result[headline.removeprefix("test_")] == pytest.approx(run.results[headline], rel=1e-4)


@pytest.mark.parametrize("kind", ["one label", "several labels with thresholds", "a number", "pairs", "windows"])
def test_a_notebook_gets_the_answers_of_the_file(runs, kind):
    run = runs(kind)
    classifier = load(str(run.folder), precision="fp32")
    rows = read(its_test_file(run))
    first = "premise" if kind == "pairs" else "text"
    texts = [row[first] for row in rows]
    pairs = [row["hypothesis"] for row in rows] if kind == "pairs" else None
    for answer, old in zip(classifier(texts, pairs), run.predictions, strict=True):
        label = f"{answer.label:.6g}" if isinstance(answer.label, float) else answer.label
        if isinstance(answer.label, float):
            assert answer.label == pytest.approx(float(old["prediction"]), abs=1e-5)
        else:
            assert ("|".join(label) if isinstance(label, tuple) else label) == old["prediction"]
        assert answer.tokens == int(old["tokens"]) and str(answer.truncated) == old["truncated"]
        for name, value in answer.probabilities.items():
            assert abs(value - float(old[f"prob_{name}"])) <= 1.01e-6


def test_half_precision_gives_the_same_labels(runs, tmp_path):
    run = runs("one label")
    result = main([str(run.folder), its_test_file(run), "-o", str(tmp_path / "bf16.csv"), "--precision", "bf16"])
    assert [row["prediction"] for row in read(result["output_file"])] == [row["prediction"] for row in run.predictions]


# -------------------------------------------------------------------------------------------- bad rows and abstention


def test_a_bad_row_is_refused_kept_or_left_out(runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = str(runs("one label").folder)
    (tmp_path / "rows.jsonl").write_text(
        '{"id": "a", "text": "good film"}\n{"id": "b", "text": "  "}\n{"id": "c", "text": ["x"]}\n{"id": "d"}\n'
    )
    with pytest.raises(UsageError, match=r"row 2 \(id b\): null or blank text.*--on_bad_row keep"):
        main([folder, "rows.jsonl"])
    kept = main([folder, "rows.jsonl", "-o", "kept.csv", "--on_bad_row", "keep"])
    rows = read("kept.csv")
    assert kept["rows"] == 4 and [bool(row["prediction"]) for row in rows] == [True, False, False, False]
    assert [row["error"] for row in rows][:2] == ["", "null or blank text"] and "a list" in rows[2]["error"]
    assert all(rows[row][name] == "" for row in (1, 2, 3) for name in rows[0] if name.startswith("prob_"))
    main([folder, "rows.jsonl", "-o", "left.csv", "--on_bad_row", "drop"])
    assert [row["id"] for row in read("left.csv")] == ["a"]


def test_an_output_that_is_not_finite_is_a_bad_row(runs, tmp_path, monkeypatch):
    run = runs("one label")
    honest = PaddedEngine.logits

    def broken(self, encoded):
        logits = honest(self, encoded)
        logits[0] = np.nan
        return logits

    monkeypatch.setattr(PaddedEngine, "logits", broken)
    with pytest.raises(UsageError, match="the output of the model is not a number"):
        main([str(run.folder), its_test_file(run), "-o", str(tmp_path / "a.csv")])
    main([str(run.folder), its_test_file(run), "-o", str(tmp_path / "b.csv"), "--on_bad_row", "keep"])
    assert sum(row["error"] != "" for row in read(tmp_path / "b.csv")) == 1


def test_abstention_and_the_most_probable_labels(runs, tmp_path):
    run = runs("one label")
    out = tmp_path / "few.csv"
    words = [str(run.folder), its_test_file(run), "-o", str(out)]
    main([*words, "--abstain_below", "0.6", "--top_k", "1", "--output_prefix", "m_"])
    for row in read(out):
        assert float(row["m_confidence"]) == float(row["m_prob_1"])
        sure = float(row["m_confidence"]) >= 0.6
        assert (row["m_prediction"] == row["m_label_1"]) if sure else row["m_prediction"] == ""


def test_a_number_has_no_top_k(runs, tmp_path):
    run = runs("a number")
    for flag in (["--top_k", "3"], ["--abstain_below", "0.5"]):
        with pytest.raises(UsageError, match=f"{flag[0]} .*needs probabilities.*Leave the flag out"):
            main([str(run.folder), its_test_file(run), "-o", str(tmp_path / "a.csv"), *flag])


# --------------------------------------------------------------------------------------------------- at the terminal


def test_texts_of_the_command_line_are_answered(runs, capsys):
    run = runs("one label")
    result = main([str(run.folder), "--text", "a good film", "--text", "bad\x1b[31m"])
    shown = capsys.readouterr().out
    assert [answer.label in ("negative", "positive") for answer in result["answers"]] == [True, True]
    assert "a good film\n* " in shown and "bad\\x1b[31m" in shown and "\x1b" not in shown and "model" not in shown


def test_a_dialogue_goes_on_after_an_error_and_ends_with_an_empty_line(runs, capsys, monkeypatch):
    stdin = io.TextIOWrapper(io.BytesIO(b"good film\n\xff\xfe\nbad\n\nnever read\n"), encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", stdin)
    assert main([str(runs("one label").folder), "--interactive"]) == {"texts": 2}
    shown = capsys.readouterr().out
    assert shown.count("* ") == 2 and shown.count("error: ") == 1 and "half of a character" in shown


def test_a_dialogue_about_pairs_asks_for_both(runs, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("a good film\nit was good\nbad\n"))
    assert main([str(runs("pairs").folder), "--interactive"]) == {"texts": 1}


def test_a_model_of_single_texts_takes_no_second_one(runs):
    folder = str(runs("one label").folder)
    assert_refused(["--text_pair", "single texts"], lambda: main([folder, "--text", "good", "--text_pair", "bad"]))


def test_a_model_of_pairs_needs_both_texts_and_the_remedy_works(runs, capsys):
    folder = str(runs("pairs").folder)
    with pytest.raises(UsageError, match="--text: the model reads pairs of texts.*--text_pair TEXT"):
        main([folder, "--text", "a good film"])
    assert len(main([folder, "--text", "a good film", "--text_pair", "it was good"])["answers"]) == 1


# ---------------------------------------------------------------------------------------------------------- signals


def test_a_signal_stops_after_the_part_and_the_same_job_continues(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(row_batches, "PART_ROWS", 5)
    run = runs("one label")
    out = tmp_path / "out.csv"
    words = [str(run.folder), its_test_file(run), "-o", str(out), "--precision", "fp32"]
    main(words)
    whole = out.read_bytes()
    honest, answered = Predictor.answer, []

    def interrupted(self, encoded, done=None):
        answered.append(encoded.batch.number)
        if len(answered) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return honest(self, encoded, done)

    with monkeypatch.context() as patch:
        patch.setattr(Predictor, "answer", interrupted)
        with pytest.raises(Stopped) as stopped:
            main([*words, "--overwrite"])
    assert stopped.value.code == 143 and answered == [0, 1]
    assert "--resume" in str(stopped.value) and "--overwrite" not in str(stopped.value)
    assert len(list((tmp_path / "out.csv.parts").glob("*.done.json"))) == 2
    os.remove(out)
    main([*words, "--resume"])
    assert out.read_bytes() == whole


# ------------------------------------------------------------------------------------------------ what is imported

BLOCKED = ("datasets", "evaluate", "sklearn", "scipy", "matplotlib", "pandas", "peft")
SCRIPT = f"""
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED!r} or name.startswith("classification.training"):
            raise ModuleNotFoundError(name + " is blocked", name=name)
sys.meta_path.insert(0, Blocker())
# The libraries ask whether others are there: they must get the answer that they are not.
import importlib.util
find = importlib.util.find_spec
def find_spec(name, package=None):
    return None if name.partition(".")[0] in {BLOCKED!r} else find(name, package)
importlib.util.find_spec = find_spec
from predict import load, main
answer = load(sys.argv[1])("a good film")
assert answer.label in ("negative", "positive"), answer
main([sys.argv[1], "--text", "a good film"])
main([sys.argv[1], sys.argv[2], "-o", sys.argv[3]])
"""


def test_a_served_model_needs_no_library_of_training(runs, tmp_path):
    run = runs("one label")
    (tmp_path / "rows.jsonl").write_text('{"text": "a good film"}\n')
    words = [str(run.folder), str(tmp_path / "rows.jsonl"), str(tmp_path / "out.jsonl")]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *words], capture_output=True, text=True, timeout=60, cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert '"prediction"' in (tmp_path / "out.jsonl").read_text()


def test_rows_of_several_labels_are_lists_in_json(runs, tmp_path):
    run = runs("several labels with thresholds")
    out = tmp_path / "out.jsonl"
    main([str(run.folder), its_test_file(run), "-o", str(out), "--precision", "fp32"])
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["prediction"] for row in rows] == [
        old["prediction"].split("|") if old["prediction"] else [] for old in run.predictions
    ]
    assert [f"prob_{name}" for name in rows[0]["probabilities"]] == [
        name for name in run.predictions[0] if name.startswith("prob_")
    ]
