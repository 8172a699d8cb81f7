"""Labels of an input: read as training reads them, scored as a training scores them, and never in the way."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, replace

import numpy as np
import pyarrow as pa
import pytest
from helpers import assert_refused
from made_streams import NEW, ListStream, answer

from classification.data.column_names import Columns
from classification.data.multi_label import MultiLabel
from classification.data.regression import Regression
from classification.data.single_label import SingleLabel
from classification.data.tasks import task_as_dict
from classification.evaluation.split_metrics import score_labelled
from classification.inference.input_labels import encoded, find_scorer
from classification.inference.jobs import Job, Shard
from classification.inference.joining import join_folders
from classification.inference.output_formats import make_format
from classification.inference.output_job import Target, predict_to_file
from classification.inference.scoring import report_scores

TASK = SingleLabel(("neg", "pos"))
LABEL = Columns(label="label")
GIVEN = ["pos", "neg", "", "neg", "pos", "pos", "neg"]


def stream_of(labels, column: str = "label", kind: str = "csv", **more) -> ListStream:
    rows = [{"text": f"text {i % 5}", column: label} for i, label in enumerate(labels)]
    return ListStream(rows, kind=kind, **more)


def logits_of(texts, outputs: int = 2) -> np.ndarray:
    return np.array([[len(text) + place * int(text[-1]) - 7 for place in range(outputs)] for text in texts], np.float32)


def predicted(stream: ListStream, scorer, target: Target, outputs: int = 2, bad=(), at_end=None):
    """The parts with scores, as a predictor leaves them; rows in `bad` have no answer."""

    def answers(batches):
        for batch, columns in answer(batches):
            answered = np.array([row for row in range(len(batch)) if batch.first + row not in bad], np.int64)
            texts = [batch.column("text")[row] for row in answered]
            scores = scorer.pack(batch, answered, logits_of(texts, outputs), texts)
            yield batch, replace(columns, scores=scores)

    written = make_format("csv", stream, NEW)
    extras = {"task": task_as_dict(scorer.task)}
    job = Job.of({"input": "x"}, asdict(written.layout), extras=json.loads(json.dumps(extras)))
    return predict_to_file(stream, answers, written, job, target, at_end=at_end)


def scored(tmp_path, stream, scorer, outputs: int = 2, bad=()):
    found = {}
    out = tmp_path / "out.csv"
    predicted(stream, scorer, Target(out), outputs, bad, at_end=lambda parts: found.update(report_scores(parts, out)))
    return found


def test_the_metrics_are_those_of_a_training(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    stream = stream_of(GIVEN)
    metrics = scored(tmp_path, stream, find_scorer(stream, TASK, "M"))
    texts = [row["text"] for row in stream.rows]
    expected = score_labelled(logits_of(texts), [TASK.encode(label) for label in GIVEN], TASK)
    assert {name: metrics[name] for name in expected} == expected and metrics["scored"] == 6
    assert metrics["accuracy_low"] < metrics["accuracy"] < metrics["accuracy_high"]
    line = next(line for line in caplog.messages if line.startswith("[Predict]"))
    assert f"loss={metrics['loss']:.4f} acc={metrics['accuracy']:.4f} (" in line and "6 of 7 rows" in line
    stored = json.loads((tmp_path / "out.csv.metrics.json").read_text())
    assert stored["accuracy"] == metrics["accuracy"] and stored["per_class"]["pos"]["support"] == 3


def test_rows_with_equal_texts_are_resampled_together(tmp_path):
    """The text `text 0` occurs twice: fewer units than rows give wider intervals than single rows would."""
    same = stream_of(["pos"] * 30 + ["neg"] * 30, size=40)
    unique = ListStream([{**row, "text": f"{i} {row['text']}"} for i, row in enumerate(same.rows)], size=40)
    first = scored(tmp_path, same, find_scorer(same, TASK, "M"))
    (tmp_path / "out.csv").unlink()
    second = scored(tmp_path, unique, find_scorer(unique, TASK, "M"))
    widths = [metrics["accuracy_high"] - metrics["accuracy_low"] for metrics in (first, second)]
    assert widths[0] > 1.5 * widths[1]


def test_rows_without_an_answer_are_not_scored(tmp_path):
    stream = stream_of(GIVEN)
    assert scored(tmp_path, stream, find_scorer(stream, TASK, "M"), bad=(0, 1, 2))["scored"] == 4


def test_shards_score_what_one_run_scores(tmp_path):
    stream = stream_of(GIVEN)
    scorer = find_scorer(stream, TASK, "M")
    whole = scored(tmp_path, stream, scorer)
    for index in (1, 2):
        predicted(stream, scorer, Target(tmp_path / "s.csv", shard=Shard(index, 2)))
    found = {}
    join_folders(
        [tmp_path / "s.csv.parts"],
        tmp_path / "all.csv",
        at_end=lambda parts: found.update(report_scores(parts, tmp_path / "all.csv")),
    )
    assert found == whole


@pytest.mark.parametrize(
    ("names", "labels"),
    [(("LABEL_0", "LABEL_1"), ["0", "1", "1"]), (("LABEL_0", "LABEL_1"), ["LABEL_0", "LABEL_1", "LABEL_1"]),
     (("0", "1"), ["0.0", "1", "1.0"]), (("neg", "pos"), ["Neg", "POS", "POS"]),
     (("False", "True"), ["false", "TRUE", "true"])],
)  # fmt: skip
def test_labels_are_read_by_name_and_by_id(names, labels):
    stream = stream_of(labels)
    scorer = find_scorer(stream, SingleLabel(names), "M")
    assert [encoded(scorer.task, label) for label in labels] == [0, 1, 1]


def test_json_numbers_and_class_labels_are_labels():
    stream = stream_of([0, 1], kind="jsonl")
    assert find_scorer(stream, SingleLabel(("LABEL_0", "LABEL_1")), "M") is not None
    info = {"info": {"features": {"text": {"dtype": "string", "_type": "Value"},
                                  "label": {"names": ["bad", "good"], "_type": "ClassLabel"}}}}  # fmt: skip
    schema = pa.schema([("text", pa.string()), ("label", pa.int64())], {"huggingface": json.dumps(info)})
    stream = stream_of([1, 0, -1], kind="parquet", schema=schema)
    scorer = find_scorer(stream, SingleLabel(("LABEL_0", "LABEL_1")), "M")
    assert scorer.task.names == ("bad", "good")


def test_several_labels_and_numbers_are_scored(tmp_path):
    task = MultiLabel(("a", "b"), thresholds=(0.5, 0.5))
    stream = stream_of(['["a"]', "[]", '["a", "b"]', '["b"]'])
    metrics = scored(tmp_path, stream, find_scorer(stream, task, "M"))
    assert metrics["scored"] == 4 and "f1_micro" in metrics and "f1_micro_low" in metrics
    (tmp_path / "out.csv").unlink()
    stream = stream_of(["1.5", "2", "", "-3e0"])
    scorer = find_scorer(stream, Regression(("score",), 1.0, 2.0), "M")
    metrics = scored(tmp_path, stream, scorer, outputs=1)
    assert metrics["scored"] == 3 and metrics["rmse"] > 0


@pytest.mark.parametrize(
    ("rows", "columns"),
    [([{"labels": "a"}, {"labels": ""}, {"labels": "a|b"}, {"labels": "b"}],
      Columns(label="labels", label_delimiter="|")),
     ([{"a": "1", "b": "0"}, {"a": "0", "b": "0"}, {"a": "1", "b": "1"}, {"a": "0", "b": "1"}],
      Columns(labels=("a", "b")))],
    ids=["a delimiter", "0/1 columns"],
)  # fmt: skip
def test_several_labels_are_read_as_in_training(rows, columns, tmp_path):
    """By what the user names, by what the training had, and as lists."""
    task, texts = MultiLabel(("a", "b"), thresholds=(0.5, 0.5)), [f"text {i}" for i in range(4)]
    stream = ListStream([{"text": text, **row} for text, row in zip(texts, rows, strict=True)], kind="csv")
    lists = stream_of(['["a"]', "[]", '["a", "b"]', '["b"]'])
    found = []
    for data, named in ((stream, {"given": columns}), (stream, {"trained": columns}), (lists, {})):
        found.append(scored(tmp_path, data, find_scorer(data, task, "M", **named)))
        (tmp_path / "out.csv").unlink()
    assert found[0] == found[1] == found[2] and found[0]["scored"] == 4


def test_unknown_labels_in_several_columns_name_their_flag():
    stream = ListStream([{"text": "a", "a": "1", "c": "0"}, {"text": "b", "a": "0", "c": "1"}])
    task = MultiLabel(("a", "b"), thresholds=(0.5, 0.5))
    words = ["--label_column_names a,c: the model does not know 'c' (row 2, 1 row)"]
    assert_refused(words, lambda: find_scorer(stream, task, "M", given=Columns(labels=("a", "c"))))
    words = ["--label_column_names d: there is no such column"]
    assert_refused(words, lambda: find_scorer(stream, task, "M", given=Columns(labels=("a", "d"))))
    assert find_scorer(stream, task, "M", trained=Columns(labels=("a", "d"))) is None


@pytest.mark.parametrize("task", [TASK, Regression(("score",), 0.0, 1.0)])
def test_unknown_labels_are_an_error_where_the_column_was_named_and_else_a_note(task, caplog):
    caplog.set_level(logging.INFO)
    stream = stream_of(["1.5", "2.5", "posi", "posi"] if task is not TASK else ["pos", "neg", "posi", "posi"])
    words = ["--label_column_name label", "'posi' (row 3, 2 rows)", "leave the flag out"]
    words += ["Did you mean 'pos'?"] if task is TASK else ["it predicts numbers"]
    assert_refused(words, lambda: find_scorer(stream, task, "M", given=LABEL))
    assert find_scorer(stream, task, "M") is None
    assert "not scored" in caplog.text and "posi" in caplog.text


def test_other_names_for_all_classes_are_an_error(caplog):
    caplog.set_level(logging.INFO)
    stream = stream_of(["bad", "good"])
    assert_refused(["does not know 'bad'", "'good'", "its labels are LABEL_0, LABEL_1"],
                   lambda: find_scorer(stream, SingleLabel(("LABEL_0", "LABEL_1")), "M", given=LABEL))  # fmt: skip
    assert find_scorer(stream, SingleLabel(("LABEL_0", "LABEL_1")), "M") is None


def test_which_column_has_the_labels(caplog):
    caplog.set_level(logging.INFO)
    stream = stream_of(["pos", "neg"], column="sentiment")
    assert find_scorer(stream, TASK, "M") is None
    assert find_scorer(stream, TASK, "M", trained=Columns(label="sentiment")).columns.label == "sentiment"
    assert find_scorer(stream, TASK, "M", trained=Columns(label="gone")) is None
    assert find_scorer(stream, TASK, "M", given=Columns(label="sentiment")).columns.label == "sentiment"
    assert_refused(
        ["--label_column_name sentimnt", "'sentiment'"],
        lambda: find_scorer(stream, TASK, "M", given=Columns(label="sentimnt")),
    )
    assert find_scorer(stream_of(["pos"], column="label"), TASK, "M", text_columns=("label",)) is None
    both = ListStream([{"text": "a", "label": "pos", "labels": "neg"}])
    assert find_scorer(both, TASK, "M") is None and "several columns" in caplog.text
    assert (
        find_scorer(stream_of(["", "", " "]), TASK, "M") is None
        and "there are no labels in the column label" in caplog.text
    )


def test_a_column_of_texts_called_label_costs_no_memory(monkeypatch):
    from classification.inference import input_labels

    monkeypatch.setattr(input_labels, "MOST_LABELS", 3)
    stream = stream_of([f"sentence {i}" for i in range(50)])
    assert_refused(["more than 3 different values"], lambda: find_scorer(stream, TASK, "M", given=LABEL))


def test_broken_lists_are_no_labels():
    task = MultiLabel(("a", "b"), thresholds=(0.5, 0.5))
    stream = stream_of(['["a"]', '["b"', '["a"]'], size=10)
    assert_refused(["--label_column_name label"], lambda: find_scorer(stream, task, "M", given=LABEL))
    assert find_scorer(stream, task, "M") is None


def test_old_metrics_do_not_stay_beside_new_predictions(tmp_path):
    stream = stream_of(GIVEN)
    scored(tmp_path, stream, find_scorer(stream, TASK, "M"))
    out = tmp_path / "out.csv"
    assert (tmp_path / "out.csv.metrics.json").exists()
    unlabelled = stream_of([""] * 4)
    written = make_format("csv", unlabelled, NEW)
    job = Job.of({"input": "y"}, asdict(written.layout))
    predict_to_file(
        unlabelled, answer, written, job, Target(out, overwrite=True), at_end=lambda parts: report_scores(parts, out)
    )
    assert not (tmp_path / "out.csv.metrics.json").exists()
