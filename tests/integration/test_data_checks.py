"""Findings in whole runs: printed, saved, refused with `--strict`, and listed by `--check_data` without training."""

from __future__ import annotations

import json

import pytest
from corpus import make_rows, write_csv
from helpers import account

from classification.errors import UsageError
from run_classification import main


def test_findings_are_saved_and_dropped_rows_are_gone(command, tmp_path, capsys):
    rows, test = make_rows(64, 1), make_rows(24, 3)
    test[0] |= {key: rows[5][key] for key in ("text", "label")}
    rows[7] |= {key: rows[3][key] for key in ("text", "label")}
    files = {"train_file": write_csv(tmp_path / "a.csv", rows), "test_file": write_csv(tmp_path / "b.csv", test)}
    with pytest.raises(UsageError, match=r"--strict: .*exact_duplicates \(train, test\)"):
        main(command(**files, output_dir=tmp_path / "strict", strict=True))
    assert "warning: 1 text is in both train (1 row) and test (1 row), byte for byte" in capsys.readouterr().out
    main(command(**files))
    leak = next(finding for finding in account(tmp_path / "out")["findings"] if finding["split"] == "train, test")
    assert leak["kind"] == "exact_duplicates" and leak["count"] == 1 and "r1-5" in leak["ids"]
    result = main(command(**files, output_dir=tmp_path / "less", strict=True, drop_leaked=True, drop_duplicates=True))
    assert result["train_samples"] <= len(rows) - 2 and result["test_samples"] == 24
    assert "rows of train were dropped (repeats, leaks)" in capsys.readouterr().out
    run = account(tmp_path / "less")
    dropped = next(finding for finding in run["findings"] if finding["kind"] == "dropped_rows")
    assert {"r1-5", "r1-7"} <= set(dropped["ids"]) and dropped["severity"] == "note"
    assert run["tokens"]["train"]["tokens"]["most"] <= 16 and run["tokens"]["train"]["tokens_unknown"] == 0


# ------------------------------------------------------------------------------------------------------ --check_data


def test_check_data_needs_no_model_and_lists_every_row(command, tmp_path, capsys):
    rows = make_rows(64, 1)
    rows[3]["text"], rows[4]["text"], rows[5]["label"] = " ", "\u200b", ""
    flags = {"model_name_or_path": tmp_path / "none", "train_file": write_csv(tmp_path / "a.csv", rows)}
    with pytest.raises(UsageError, match=r"data checks failed: 2 findings \(blank_text \(train\), no_label \(train\)"):
        main(command(**flags, check_data=True))
    out = capsys.readouterr().out
    assert "2 rows of train have null or blank text" in out and "r1-3" in out and "r1-4" in out
    assert "tokens" in out
    facts = json.loads((tmp_path / "out" / "data_checks.json").read_text())
    assert facts["findings"][0]["ids"] == ["r1-3", "r1-4"]
    assert facts["labels"]["train"] == {"negative": 31, "positive": 30} and facts["tokens"] == {}
    assert main(command(output_dir=tmp_path / "out"))["train_samples"] == 64  # the folder has no run


def test_check_data_goes_on_where_training_would_refuse_validation(command, tmp_path, capsys):
    rows = [row | {"label": "positive"} for row in make_rows(20, 2)]
    with pytest.raises(UsageError, match=r"one_class \(validation\)"):
        main(command(validation_file=write_csv(tmp_path / "b.csv", rows), check_data=True, on_bad_row="drop"))
    assert "the validation set has one class only" in capsys.readouterr().out


def test_check_data_reads_the_texts_as_the_model_would(command, tmp_path, capsys):
    rows = [row | {"text": row["text"] + " weird odd strange" * 12} for row in make_rows(64, 1)]
    findings = main(command(train_file=write_csv(tmp_path / "a.csv", rows), check_data=True))["findings"]
    kinds = {(finding["kind"], finding["split"]): finding for finding in findings}
    assert kinds["unknown_tokens", "train"]["severity"] == "warning"
    assert kinds["unread_tokens", "train"]["count"] == 64 and kinds["unread_tokens", "train"]["severity"] == "note"
    assert "64 rows (100.0%) are cut to 32" in capsys.readouterr().out
