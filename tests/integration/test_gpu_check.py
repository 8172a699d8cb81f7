"""scripts/gpu_check.sh on the CPU: every part runs, and a part that fails does not stop the others."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from corpus import make_rows
from datasets import Dataset
from helpers import ROOT, make_bert, make_tokenizer

pytestmark = pytest.mark.slow
PARTS = ["environment", "tests", "bf16", "fp16", "distributed", "benchmark", "imdb"]


@pytest.fixture
def folder(tmp_path) -> Path:
    """A tiny encoder and a few rows; the packages are installed, so that there are no wheels."""
    make_bert().bert.save_pretrained(tmp_path / "given" / "encoder")
    make_tokenizer().save_pretrained(tmp_path / "given" / "encoder")
    (tmp_path / "given" / "data").mkdir()
    for split, seed in (("train", 1), ("test", 2)):
        rows = Dataset.from_list(make_rows(64, seed, labels=(0, 1)))
        rows.select_columns(["text", "label"]).to_parquet(str(tmp_path / "given" / "data" / f"{split}.parquet"))
    return tmp_path / "given"


def check(folder: Path, out: Path, *flags: str) -> tuple[int, str]:
    """Exit code and report of a check on the CPU, started in another folder than the repository."""
    command = ["bash", str(ROOT / "scripts" / "gpu_check.sh"), str(folder), "--device", "cpu", "--out", str(out)]
    done = subprocess.run([*command, "--minutes", "5", *flags], cwd=folder, capture_output=True, text=True, timeout=400,
                          env=os.environ | {"PYTHON": sys.executable})  # fmt: skip
    assert (out / "gpu_check.md").exists(), done.stdout + done.stderr
    return done.returncode, (out / "gpu_check.md").read_text(encoding="utf-8")


def verdicts(report: str) -> dict[str, str]:
    """Part -> outcome, from the table of the report."""
    rows = re.findall(r"^\| (\w+) \| \d+ \| \d+ \| ([^:|]+?)(?:: .*)? \|$", report, re.MULTILINE)
    return dict(rows)


def test_every_part_passes_on_the_cpu(folder, tmp_path):
    code, report = check(folder, tmp_path / "out")
    assert code == 0, report
    assert verdicts(report) == dict.fromkeys(PARTS, "passed") | {"fp16": "not on cpu"}
    assert "All parts passed" in report and f"| python | {sys.version.split()[0]} |" in report
    assert re.search(r"\| torch \| \d", report) and re.search(r"\d+ passed, \d+ skipped", report)
    assert report.count("test accuracy") == 2 and "all 24 predictions are equal" in report
    for label in ("notebook loop", "Hugging Face script", "this recipe"):
        assert label in report
    assert json.loads((tmp_path / "out" / "benchmark.json").read_text(encoding="utf-8"))["results"]
    assert "test_on_device.py" in (tmp_path / "out" / "gpu_check.log").read_text(encoding="utf-8")


def test_failing_parts_do_not_stop_the_others(folder, tmp_path):
    """Without an encoder no run trains; without data the last part has nothing to do."""
    (folder / "encoder" / "config.json").unlink()
    (folder / "data" / "train.parquet").unlink()
    parts = [part for part in PARTS if part != "benchmark"]
    code, report = check(folder, tmp_path / "out", "--parts", *parts)
    failed = dict.fromkeys(("bf16", "distributed"), "failed")
    fine = {"environment": "passed", "tests": "passed", "fp16": "not on cpu", "imdb": "not given"}
    assert code == 1 and verdicts(report) == failed | fine
    assert "Failed: bf16, distributed" in report
    assert report.count("## Output: ") == 2 and "error: --model_name_or_path" in report


def test_a_part_that_takes_too_long_is_stopped(folder, tmp_path):
    """2 seconds for all parts: no run of the recipe starts that fast."""
    code, report = check(folder, tmp_path / "out", "--parts", "bf16", "--minutes", "0.12")
    assert code == 1 and verdicts(report)["bf16"] == "timed out"
