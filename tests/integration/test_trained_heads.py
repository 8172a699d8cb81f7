"""Runs on a trained classifier: its head keeps its meaning, and labels are scored by their meaning."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from statistics import median

import datasets
import pytest
import torch
from corpus import make_rows, write_csv
from helpers import AGAIN, account, make_bert, make_tokenizer, read_predictions

from classification.errors import UsageError
from run_classification import main

STILL = {"learning_rate": 1e-12, "calibrate": False}  # training changes nothing that can be seen


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """A function that saves a classifier with the given names in their order, and a head that is sure of itself."""

    def save(*names: str) -> str:
        folder = tmp_path_factory.mktemp("classifier")
        model = make_bert(num_labels=len(names), id2label=dict(enumerate(names)), label2id={})
        torch.nn.init.normal_(model.classifier.weight)
        model.save_pretrained(folder)
        make_tokenizer().save_pretrained(folder)
        return str(folder)

    return save


def renamed(folder, target: Path, *names: str) -> str:
    """A copy of a model whose classes have other names."""
    shutil.copytree(folder, target)
    for path in [target, *target.rglob("*")]:
        path.chmod(0o755)
    config = json.loads((target / "config.json").read_text())
    config |= {"id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)}}
    (target / "config.json").write_text(json.dumps(config))
    return str(target)


def by_name(folder) -> list[tuple]:
    """Of every row of predictions.csv the decision, and the probability of `positive`."""
    return [(row["prediction"], float(row["prob_positive"])) for row in read_predictions(folder)]


def assert_it_goes_on_unchanged(command, model: str, folder: Path, **data) -> None:
    """A training that changes nothing predicts what the loaded model predicts."""
    main(command(**AGAIN, model_name_or_path=model, output_dir=folder / "loaded"))
    main(command(**STILL, **data, model_name_or_path=model, output_dir=folder / "trained"))
    loaded, trained = by_name(folder / "loaded"), by_name(folder / "trained")
    assert [decision for decision, _ in loaded] == [decision for decision, _ in trained]
    assert [p for _, p in trained] == pytest.approx([p for _, p in loaded], abs=1e-5)
    assert len({round(p, 4) for _, p in loaded}) > 3


def declared(folder, *names) -> dict[str, str]:
    """The training rows as a Parquet file that declares its classes in this order."""
    rows = [row | {"label": names.index(row["label"])} for row in make_rows(64, 1)]
    features = datasets.Features({"id": datasets.Value("string"), "text": datasets.Value("string"),
                                  "label": datasets.ClassLabel(names=list(names))})  # fmt: skip
    datasets.Dataset.from_list(rows, features=features).to_parquet(str(folder / "declared.parquet"))
    return {"train_file": str(folder / "declared.parquet")}


# --------------------------------------------------------------------------------------------------------- training on


def test_a_head_with_the_names_in_another_order_goes_on_unchanged(classifier, command, tmp_path, capsys):
    model = classifier("positive", "negative")
    assert_it_goes_on_unchanged(command, model, tmp_path, class_weights='{"positive": 3}')
    shown = capsys.readouterr().out
    assert "in the order of the trained model: positive, negative" in shown and "positive 1.5, negative 0.5" in shown
    saved = json.loads((tmp_path / "trained" / "config.json").read_text())
    assert saved["id2label"] == {"0": "positive", "1": "negative"}
    assert list(account(tmp_path / "trained")["results"]["test_per_class"])[:2] == ["positive", "negative"]


def test_the_order_that_the_data_declares_gives_way_to_that_of_the_head(classifier, command, tmp_path):
    files = declared(tmp_path, "positive", "negative")
    assert_it_goes_on_unchanged(command, classifier("negative", "positive"), tmp_path, **files)


@pytest.mark.parametrize(
    "form",
    [{"pooling": "mean"}, {"model_name_or_path": "bilstm"}, {"lora_r": 4, "lora_merge": False, "max_seq_length": 24}],
    ids=["pooled", "bilstm", "adapter"],
)
def test_every_form_of_head_goes_on_unchanged(form, finished, command, tmp_path):
    run = finished(**form, learning_rate=0.01, num_train_epochs=2, calibrate=False)
    model = renamed(run.folder, tmp_path / "model", "positive", "negative")
    assert_it_goes_on_unchanged(command, model, tmp_path)


def test_the_head_of_an_adapter_for_other_names_is_new(finished, command, tmp_path, capsys):
    run = finished(lora_r=4, lora_merge=False, learning_rate=0.01, num_train_epochs=2, max_seq_length=24)
    model = renamed(run.folder, tmp_path / "model", "spam", "ham")
    main(command(**STILL, model_name_or_path=model))
    assert "the head starts from new weights: the trained one has other classes (spam, ham)" in capsys.readouterr().out
    assert max(abs(p - 0.5) for _, p in by_name(tmp_path / "out")) < 0.4


def test_several_labels_go_on_with_their_thresholds(finished, several, command, tmp_path):
    run = finished(**several, calibrate=False)
    names = list(run.account["results"]["test_per_class"])
    model = renamed(run.folder, tmp_path / "model", *reversed(names))
    config = json.loads((Path(model) / "config.json").read_text())
    cuts = [median(float(row[f"prob_{name}"]) for row in run.predictions) for name in names]
    config["thresholds"] = dict(zip(names, reversed(cuts), strict=True))  # half of the rows have each label
    (Path(model) / "config.json").write_text(json.dumps(config))
    test = {"test_file": several["test_file"], "label_delimiter": "|"}
    main(command(**AGAIN | test, model_name_or_path=model, output_dir=tmp_path / "loaded"))
    main(command(**several, **STILL, model_name_or_path=model, output_dir=tmp_path / "trained"))
    loaded, trained = read_predictions(tmp_path / "loaded"), read_predictions(tmp_path / "trained")
    assert [row["prediction"] for row in loaded] == [row["prediction"] for row in trained]
    assert len({row["prediction"] for row in loaded}) > 1
    saved = json.loads((tmp_path / "trained" / "config.json").read_text())
    assert saved["thresholds"] == config["thresholds"] and list(saved["id2label"].values()) == names[::-1]


def test_numbers_go_on_in_their_units(finished, numbers, command, tmp_path):
    run = finished(**numbers, num_train_epochs=12)
    rows = make_rows(48, seed=9)
    other = write_csv(tmp_path / "other.csv", [row | {"label": 900.5 + 7 * i} for i, row in enumerate(rows)])
    flags = {"train_file": other, "validation_file": None, "test_file": numbers["test_file"]}
    main(command(**STILL, **flags, model_name_or_path=run.folder))
    expected = [float(row["prediction"]) for row in run.predictions]
    assert [float(row["prediction"]) for row in read_predictions(tmp_path / "out")] == pytest.approx(expected, abs=1e-2)


# --------------------------------------------------------------------------------------------- evaluation, prediction


@pytest.fixture
def counted(tmp_path):
    """Test rows with the labels 0 and 1, and the same rows with names."""
    rows = make_rows(24, 3)
    ids = {"negative": "0", "positive": "1"}
    named = write_csv(tmp_path / "named.csv", rows)
    return write_csv(tmp_path / "counted.csv", [row | {"label": ids[row["label"]]} for row in rows]), named


def test_a_model_with_label_0_and_label_1_is_scored_by_id(classifier, command, counted, tmp_path, capsys):
    model = classifier("LABEL_0", "LABEL_1")
    main(command(**AGAIN | {"test_file": counted[0]}, model_name_or_path=model))
    assert "by the classes of the trained model: '0' is 'LABEL_0', '1' is 'LABEL_1'" in capsys.readouterr().out
    named = renamed(model, tmp_path / "model", "negative", "positive")
    main(command(**AGAIN | {"test_file": counted[1]}, model_name_or_path=named, output_dir=tmp_path / "named"))
    first, second = (account(tmp_path / folder)["results"] for folder in ("out", "named"))
    assert first["test_accuracy"] == second["test_accuracy"] and first["test_loss"] == second["test_loss"]
    assert {row["prediction"] for row in read_predictions(tmp_path / "out")} <= {"0", "1"}


def test_every_remedy_for_labels_of_unknown_meaning_works(classifier, command, counted, tmp_path):
    """The labels as ids, the names in config.json, or predictions without scores."""
    model = classifier("LABEL_0", "LABEL_1")
    wrong = {**AGAIN, "test_file": counted[1], "model_name_or_path": model}
    with pytest.raises(UsageError, match="labels as the model's classes or as 0 to 1, .*id2label .*--remove_columns"):
        main(command(**wrong))
    remedies = [
        {"test_file": counted[0]},
        {"model_name_or_path": renamed(model, tmp_path / "model", "negative", "positive")},
        {"remove_columns": "label"},
    ]
    for number, remedy in enumerate(remedies):
        results = main(command(**wrong | remedy, output_dir=tmp_path / str(number)))
        assert ("test_accuracy" in results) == ("remove_columns" not in remedy)
        assert len(read_predictions(tmp_path / str(number))) == 24


def test_labels_that_the_model_lacks_are_named(classifier, command, tmp_path):
    test = write_csv(tmp_path / "three.csv", make_rows(12, 3, ("negative", "neutral")))
    with pytest.raises(UsageError, match="labels that the model does not have: 'neutral' x 6"):
        main(command(**AGAIN | {"test_file": test}, model_name_or_path=classifier("negative", "positive")))
