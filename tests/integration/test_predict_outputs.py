"""predict.py in every format, in parts, shards and processes: own columns stay, and the file is always the same."""

from __future__ import annotations

import csv
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpus import make_rows
from helpers import ROOT, make_bert, make_tokenizer

from classification.data.sources.row_batches import InputSource
from classification.data.sources.row_streams import open_rows
from classification.errors import UsageError
from predict import main

HOSTILE = [
    'a "good" film', '"', "two\nlines", "a\r\nb", "carriage\rreturn", "tab\there", ";,;|", "=1+1", "-5", "'quoted",
    "emoji 👩‍👩‍👧 😀", "e\u0301", " lead and trail ", "\u2028line", "null", "NaN", "[1, 2",
    '{"a": 1}', "\\n", "007", "x" * 300,
]  # fmt: skip
KINDS = ("csv", "tsv", "jsonl", "json", "parquet", "arrow")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    """A classifier made elsewhere: LABEL_0 and LABEL_1, no file of ours."""
    folder = tmp_path_factory.mktemp("elsewhere") / "model"
    made = make_bert()
    made.config.problem_type = "single_label_classification"
    made.save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return str(folder)


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("classification.data.sources.row_batches.PART_ROWS", 8)


def write(name: str, rows: list[dict]) -> str:
    kind = name.partition(".")[2].removesuffix(".gz")
    if kind in ("csv", "tsv"):
        opener = gzip.open if name.endswith(".gz") else open
        with opener(name, "wt", encoding="utf-8", newline="") as handle:
            writer = csv.DictWriter(
                handle, list(rows[0]), delimiter="\t" if kind == "tsv" else ",", quoting=csv.QUOTE_ALL
            )
            writer.writeheader()
            writer.writerows(rows)
    elif kind == "jsonl":
        Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif kind == "json":
        Path(name).write_text(json.dumps(rows, indent=1))
    elif kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), name)
    else:
        table = pa.Table.from_pylist(rows)
        with pa.ipc.new_file(name, table.schema) as writer:
            writer.write_table(table)
    return name


def read(name: str) -> list[dict]:
    with open_rows(InputSource(name)) as stream:
        return [row for batch in stream.batches() for row in batch.records()]


@pytest.mark.parametrize("kind", KINDS)
def test_own_columns_come_back_from_every_format_in_every_format(model, kind):
    rows = [{"id": f"{i:03d}", "text": text} for i, text in enumerate(HOSTILE)]
    name = write(f"in.{kind}", rows)
    for other in KINDS:
        main([model, name, "-o", f"out.{other}"])
        found = read(f"out.{other}")
        assert [(row["id"], row["text"]) for row in found] == [(row["id"], row["text"]) for row in rows], other
        assert list(found[0])[2] == "prediction" and {row["prediction"] for row in found} <= {"LABEL_0", "LABEL_1"}


def test_the_default_output_has_the_format_of_the_input(model):
    rows = make_rows(20)
    write("in.csv.gz", rows)
    main([model, "in.csv.gz"])
    assert [row["text"] for row in read("in.predictions.csv")] == [row["text"] for row in rows]
    Path("lines.txt").write_text("".join(f"{row['text']}\n" for row in rows))
    main([model, "lines.txt"])
    assert Path("lines.predictions.csv").read_text().startswith("text,prediction,prob_LABEL_0,prob_LABEL_1,truncated\n")


def test_numbers_of_json_stay_as_they_are_written(model):
    Path("in.jsonl").write_text(
        '{"text": "good", "n": 1.10, "big": 1e400, "deep": {"x": [-0, 12345678901234567890]}}\n'
    )
    main([model, "in.jsonl", "-o", "out.jsonl"])
    main([model, "in.jsonl", "-o", "out.csv"])
    row = '"n": 1.10, "big": 1e400, "deep": {"x": [-0, 12345678901234567890]}'
    assert row in Path("out.jsonl").read_text()
    assert (
        Path("out.csv").read_text().splitlines()[1].startswith('good,1.10,1e400,"{""x"": [-0, 12345678901234567890]}"')
    )


def test_labels_by_id_are_scored_by_a_model_that_only_counts_its_classes(model, capsys):
    rows = [{"text": row["text"], "label": ["negative", "positive"].index(row["label"])} for row in make_rows(40)]
    result = main([model, write("in.csv", rows), "-o", "out.csv"])
    predicted = np.array([int(row["prediction"][-1]) for row in read("out.csv")])
    assert result["accuracy"] == (predicted == [row["label"] for row in rows]).mean() and result["scored"] == 40
    assert "[Predict] loss=" in capsys.readouterr().out
    assert json.loads(Path("out.csv.metrics.json").read_text())["accuracy"] == result["accuracy"]


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_shards_resumed_and_joined_are_one_run(model, kind):
    rows = [{"text": row["text"], "label": str(["negative", "positive"].index(row["label"]))} for row in make_rows(50)]
    name = write("in.csv", rows)
    whole = main([model, name, "-o", f"whole.{kind}"])
    for shard in ("3/3", "1/3", "2/3"):
        main([model, name, "-o", f"out.{kind}", "--shard", shard])
    lost = sorted(Path(f"out.{kind}.parts").glob(f"part-000004.{kind}"))[0]
    lost.unlink()
    with pytest.raises(UsageError, match=r"part 4 .*damaged.*--shard 2/3 --resume"):
        main(["--join", f"out.{kind}.parts", "-o", f"out.{kind}"])
    main([model, name, "-o", f"out.{kind}", "--shard", "2/3", "--resume"])
    joined = main(["--join", f"out.{kind}.parts", "-o", f"out.{kind}"])
    assert Path(f"out.{kind}").read_bytes() == Path(f"whole.{kind}").read_bytes()
    assert {name: joined[name] for name in ("loss", "accuracy", "accuracy_low")} == {
        name: whole[name] for name in ("loss", "accuracy", "accuracy_low")
    }
    assert not [path for path in Path().iterdir() if "parts" in path.name]


def test_standard_output_is_the_file(model, capfdbinary):
    name = write("in.csv", make_rows(20))
    main([model, name, "-o", "out.csv"])
    capfdbinary.readouterr()
    main([model, name, "-o", "-"])
    sys.stdout.flush()
    assert capfdbinary.readouterr().out == Path("out.csv").read_bytes()


def test_a_changed_input_is_another_job(model):
    rows = make_rows(20)
    main([model, write("in.csv", rows), "-o", "out.csv", "--shard", "1/2"])
    write("in.csv", rows[::-1])
    with pytest.raises(UsageError, match=r"another job: input: \w{12}... there, \w{12}... now"):
        main([model, "in.csv", "-o", "out.csv", "--shard", "2/2"])
    write("in.csv", rows)
    with pytest.raises(UsageError, match="--top_k: None there, 1 now"):
        main([model, "in.csv", "-o", "out.csv", "--shard", "2/2", "--top_k", "1"])


def test_a_file_that_is_read_in_another_way_is_another_job(model):
    Path("in").write_text("text\n" + "good film\n" * 30)
    main([model, "in", "-o", "out.csv", "--shard", "1/2", "--input_format", "text"])
    with pytest.raises(UsageError, match="another job: read as: text there, csv now"):
        main([model, "in", "-o", "out.csv", "--shard", "2/2", "--input_format", "csv"])


@pytest.mark.slow
def test_the_processes_of_a_launch_write_one_ordered_file(model):
    name = write("in.csv", make_rows(50))
    main([model, name, "-o", "whole.csv"])
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    done = subprocess.run(
        [*launch, str(ROOT / "predict.py"), model, name, "-o", "out.csv"],
        capture_output=True, text=True, timeout=240, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert Path("out.csv").read_bytes() == Path("whole.csv").read_bytes()
    assert done.stdout.count("output ") == 1 and not [path for path in Path().iterdir() if ".out.csv" in path.name]
