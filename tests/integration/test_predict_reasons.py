"""predict.py explains its answers, and writes the rows worth labelling."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from helpers import assert_refused

from predict import main


def rows_of(path: Path) -> list[dict]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def test_answers_are_explained_at_the_terminal_on_a_page_and_in_files(finished, shared_files, tmp_path, capsys):
    pytest.importorskip("captum", reason="captum is not installed (requirements-extras.txt)")
    model, page, out = str(finished().folder), tmp_path / "page.html", tmp_path / "answers.csv"
    text = "the film was good"
    main([model, "--text", text, "--explain", "--explain_html", str(page)])
    shown = capsys.readouterr().out
    assert "without the words" in shown and "completeness error" in shown and page.read_text().count("<h2") == 1
    main([model, shared_files["test_file"], "-o", str(out), "--explain"])
    rows = rows_of(out)
    assert len(rows) == 24
    for row in rows:
        found = json.loads(row["explanation"])
        assert found["label"] == row["prediction"] and found["words"]
        assert all(row["text"][word["start"] : word["end"]] == word["text"] for word in found["words"])


def test_explained_rows_are_in_small_parts_because_each_takes_a_second(finished, shared_files, tmp_path, monkeypatch):
    pytest.importorskip("captum", reason="captum is not installed (requirements-extras.txt)")
    monkeypatch.setattr("classification.cli.prediction_requests.EXPLAINED_ROWS", 10)
    monkeypatch.setattr("classification.inference.explanation.explain", lambda *args: SimpleNamespace(as_json=dict))
    for flags in ([], ["--explain"]):
        out = tmp_path / f"{len(flags)}.jsonl"
        main([str(finished().folder), shared_files["test_file"], "-o", str(out), "--shard", "1/1", *flags])
        parts = sorted(Path(f"{out}.parts").glob("part-*.jsonl"))
        assert [len(part.read_text().splitlines()) for part in parts] == ([10, 10, 4] if flags else [24])


def test_rows_worth_labelling_are_the_same_in_shards(finished, shared_files, tmp_path, monkeypatch):
    monkeypatch.setattr("classification.data.sources.row_batches.PART_ROWS", 5)
    model, whole, parts = str(finished().folder), tmp_path / "whole.csv", tmp_path / "parts.csv"
    words = [model, shared_files["test_file"], "--most_uncertain", "6"]
    main([*words, "-o", str(whole)])
    expected = (tmp_path / "whole.csv.uncertain.csv").read_bytes()
    margins = {row["id"]: abs(float(row["prob_positive"]) - 0.5) for row in rows_of(whole)}
    chosen = [margins[row["id"]] for row in rows_of(tmp_path / "whole.csv.uncertain.csv")]
    assert len(chosen) == 6 and chosen == sorted(chosen) == pytest.approx(sorted(margins.values())[:6], abs=1e-5)
    for shard in ("2/2", "1/2"):
        main([*words, "-o", str(parts), "--shard", shard])
    written = tmp_path / "parts.csv.uncertain.csv"
    written.write_text("labelled by hand")
    join = ["--join", str(tmp_path / "parts.csv.parts"), "-o", str(parts)]
    assert_refused([str(written), "--overwrite"], main, join)
    assert written.read_text() == "labelled by hand"
    main([*join, "--overwrite"])
    assert written.read_bytes() == expected
