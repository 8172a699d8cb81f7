"""The files of a run are read back as what was written, and wrong ones are refused in one line."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from corpus import number_rows, several_rows, stars, write_csv, write_splits
from datasets import Dataset
from helpers import assert_refused, read_predictions

from classification.data.multi_label import MultiLabel
from classification.data.regression import Regression
from classification.data.single_label import SingleLabel
from classification.errors import UsageError
from classification.evaluation.predictions import Predictions
from classification.report.prediction_table import read_columns, table_of
from classification.report.run_files import read_run
from classification.reporting.predictions_file import write_predictions


@pytest.fixture
def copied(finished, tmp_path):
    """A function that copies the folder of a finished run, whose files may then be changed."""

    def copy(**flags):
        folder = tmp_path / "run"
        shutil.copytree(finished(**flags).folder, folder, copy_function=shutil.copy)
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        return folder

    return copy


def change_record(folder, **changes) -> None:
    file = folder / "run.json"
    record = json.loads(file.read_text(encoding="utf-8")) | changes
    file.write_text(json.dumps({key: value for key, value in record.items() if value is not None}), encoding="utf-8")


def written(tmp_path, task, labels, logits, *, texts=None, safe=False, scored=None, **slices):
    """The table that is read from what `write_predictions` writes."""
    rows = {"id": [f"r{i}" for i in range(len(labels))], "text": texts or ["text"] * len(labels), "label": labels}
    rows |= {f"slice.{name}": values for name, values in slices.items()}
    tokens = np.full(len(labels), 5)
    predictions = Predictions(Dataset.from_dict(rows), np.asarray(logits, dtype=np.float64), tokens, tokens + 1)
    write_predictions(tmp_path / "predictions.csv", predictions, task, safe=safe)
    header, columns = read_columns(tmp_path / "predictions.csv")
    scored = sum(label is not None for label in labels) if scored is None else scored
    return table_of(header, columns, task, scored=scored, safe=safe, with_texts=True)


# ------------------------------------------------------------------------------------------------------ what is read


@pytest.mark.parametrize("safe", [False, True])
def test_odd_labels_and_texts_are_read_as_they_were(tmp_path, safe):
    names = ("=1+1", "<script>", "قائمة", "a,b\nc", "'=x", "-5", "007")
    texts = ["=HYPERLINK(1)", "+1", "'quoted", 'he said "no"', "two\r\nlines", "\ttab", ""]
    labels, slices = [0, 1, 2, 3, 4, 5, None], {"=col": [*"=+-@ab", ""]}
    table = written(tmp_path, SingleLabel(names), labels, np.eye(7), texts=texts, safe=safe, **slices)
    assert table.label_ids == labels and table.decisions.tolist() == list(range(7))
    assert [text for (text,) in table.texts] == texts
    assert table.slices == slices
    assert table.probabilities.shape == (7, 7) and table.truncated.all() and table.tokens.tolist() == [5] * 7


@pytest.mark.parametrize("delimiter", ["|", None])
def test_a_row_without_labels_is_told_from_a_missing_label(tmp_path, delimiter):
    task = MultiLabel(("a", "b"), thresholds=(0.5, 0.5), delimiter=delimiter)
    labels = [[1.0, 0.0], [0.0, 0.0]]
    table = written(tmp_path, task, labels, [[9, -9], [9, 9]])
    assert table.label_ids == labels and table.decisions.tolist() == [[True, False], [True, True]]
    table = written(tmp_path, task, [[1.0, 0.0], None], [[9, -9], [-9, -9]])
    assert table.label_ids == [[1.0, 0.0], None] and table.decisions.tolist() == [[True, False], [False, False]]


def test_numbers_are_read_in_the_units_of_the_model(tmp_path):
    table = written(tmp_path, Regression(("score",), mean=10.0, std=2.0), [0.5, None], [[-1.0], [3.25]])
    assert table.label_ids == [0.5, None] and table.probabilities is None
    np.testing.assert_allclose(table.decisions, [-1.0, 3.25], rtol=1e-9)


def test_a_text_of_a_million_letters_is_read(tmp_path):
    table = written(tmp_path, SingleLabel(("a", "b")), [0], [[1, 0]], texts=["x" * 1_000_000])
    assert len(table.texts[0][0]) == 1_000_000


KINDS = ["single", "multi", "regression"]


@pytest.fixture(scope="module")
def flags_of(tmp_path_factory):
    """The flags of each kind of task, always the same, so that its tests share one run."""
    folder = tmp_path_factory.mktemp("kinds")
    several = write_splits(folder, "m", several_rows) | {"label_column_name": "labels", "label_delimiter": "|"}
    return {"single": {}, "multi": several, "regression": write_splits(folder, "n", number_rows(stars))}


@pytest.mark.parametrize("kind", KINDS)
def test_the_table_of_a_whole_run_has_its_labels_and_predictions(finished, flags_of, kind):
    run = finished(**flags_of[kind])
    read = read_run(run.folder)
    rows = run.predictions
    assert [read.task.decode(label) for label in read.predictions.label_ids] == [row["label"] for row in rows]
    decided = [read.task.decode(decision) for decision in read.predictions.decisions]
    if kind == "regression":
        np.testing.assert_allclose(
            [float(word) for word in decided], [float(row["prediction"]) for row in rows], rtol=1e-6
        )
    else:
        assert decided == [row["prediction"] for row in rows]
    assert read.scored_split == "test" and read.metrics["test_loss"] == run.results["test_loss"]


def test_a_run_without_texts_in_its_report_has_ids_only(copied):
    folder = copied()
    arguments = json.loads((folder / "run.json").read_text())["arguments"] | {"report_texts": False}
    change_record(folder, arguments=arguments)
    read = read_run(folder)
    assert not read.shows_texts and set(read.predictions.texts) == {()} and read.predictions.ids[0] == "r3-0"


# --------------------------------------------------------------------------------------------------- of older versions


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("has_model", [True, False])
def test_a_record_of_the_first_version_has_its_task_elsewhere(copied, flags_of, kind, has_model):
    folder = copied(**flags_of[kind])
    task = read_run(folder).task
    change_record(folder, task=None, format=None, predictions=None, selections=None, validation_method=None)
    if not has_model:
        (folder / "config.json").unlink()
    read = read_run(folder).task
    assert type(read) is type(task) and read.names == task.names


# ------------------------------------------------------------------------------------------------------ what is refused

DAMAGES = {
    "no folder": (lambda folder: shutil.rmtree(folder), ["is not the folder of a run", "--output_dir"]),
    "no run.json": (lambda folder: (folder / "run.json").unlink(), ["is not the folder of a run", "--output_dir"]),
    "half of run.json": (
        lambda folder: (folder / "run.json").write_text((folder / "run.json").read_text()[:999]),
        ["run.json", "is damaged", "copy"],
    ),
    "another JSON": (lambda folder: (folder / "run.json").write_text('{"a": 1}'), ["not that of a run"]),
    "a list": (lambda folder: (folder / "run.json").write_text("[]"), ["run.json", "no JSON object"]),
    "bytes": (lambda folder: (folder / "run.json").write_bytes(b"\xff\xfe\x00"), ["run.json", "is damaged"]),
    "labels": (lambda folder: change_record(folder, task={"id2label": {"x": "a"}}), ["its labels are damaged"]),
    "half of all_results.json": (
        lambda folder: (folder / "all_results.json").write_text("{"), ["all_results.json", "is damaged"]
    ),
    "results of another run": (
        lambda folder: (folder / "all_results.json").write_text('{"test_accuracy": 0.123}'),
        ["all_results.json", "is not of this run", "test_accuracy"],
    ),
    "neighbours": (lambda folder: (folder / "neighbours.json").write_text("{"), ["neighbours.json", "is damaged"]),
    "a changed cell": (
        lambda folder: (folder / "predictions.csv").write_text(
            (folder / "predictions.csv").read_text().replace("negative", "positive", 1)
        ),
        ["predictions.csv", "has changed since the run", "remove it"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_files_of_no_run_are_refused(copied, damage):
    folder = copied()
    function, words = DAMAGES[damage]
    function(folder)
    assert_refused(words, read_run, folder)


TABLES = {
    "a row less": lambda text: text.rstrip().rsplit("\n", 1)[0] + "\n",
    "a column less": lambda text: "\n".join(line.rsplit(",", 1)[0] for line in text.splitlines()),
    "a broken row": lambda text: text + "half of a row\n",
    "an unknown label": lambda text: text.replace("negative", "neutral"),
    "nothing": lambda text: "",
    "another table": lambda text: "a,b\n1,2\n",
}


@pytest.mark.parametrize("damage", TABLES)
def test_a_table_without_a_recorded_digest_is_checked_by_its_content(copied, damage):
    """The first version recorded none."""
    folder = copied()
    change_record(folder, predictions=None)
    file = folder / "predictions.csv"
    file.write_text(TABLES[damage](file.read_text(encoding="utf-8")), encoding="utf-8")
    assert_refused(["predictions.csv", "Put the file of the run back"], read_run, folder)


def test_the_remedy_for_a_changed_table_works(copied, caplog):
    folder = copied()
    (folder / "predictions.csv").write_text("changed")
    with pytest.raises(UsageError, match="or remove it"):
        read_run(folder)
    (folder / "predictions.csv").unlink()
    assert read_run(folder).predictions is None and "the page has no rows" in caplog.text


def test_a_file_that_cannot_be_read_is_named(copied, monkeypatch):
    folder = copied()

    def fail(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.read_text", fail)
    assert_refused(["run.json", "cannot be read", "permissions"], read_run, folder)


def test_a_run_without_test_rows_has_no_table(finished):
    read = read_run(finished(test_file=None).folder)
    assert read.predictions is None and read.scored_split == "validation"


def test_unlabelled_test_rows_leave_validation_as_the_scored_split(finished, shared_files, tmp_path_factory):
    rows = [{name: row[name] for name in ("id", "text")} for row in read_csv(shared_files["test_file"])]
    file = write_csv(tmp_path_factory.mktemp("unlabelled") / "test.csv", rows)
    read = read_run(finished(test_file=file).folder)
    assert read.scored_split == "validation" and set(read.predictions.label_ids) == {None}


def read_csv(path: str) -> list[dict]:
    from pathlib import Path

    return read_predictions(Path(path).parent, Path(path).name)
