"""The folder of an export: complete and checked, or nothing; an earlier one stays until the new one is complete."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
import torch
from helpers import assert_refused
from made_exports import CLASSES, check_rows, export, onnx_folder, save_classifier
from made_exports import write_graph as write_tiny
from transformers import AutoTokenizer

from classification.export import export_folder
from classification.export.export_folder import describe_size
from predict import load

TEXTS = ["good film", "a", "the book was very dull and not a bit fine"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A calibrated classifier, and rows with labels."""
    folder = tmp_path_factory.mktemp("trained") / "model"
    save_classifier(folder, temperatures=(2.5,))
    (folder / "data_statistics.json").write_text("{}")
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# Old\n")
    return folder, check_rows(folder.parent / "rows.csv", label=lambda number: CLASSES[number % 3])


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    out = tmp_path_factory.mktemp("exported") / "out"
    return out, export(model[0], out, model[1])


@pytest.fixture
def other_answers(monkeypatch):
    """The graph is made at once, and is that of another model."""

    def write(outputs, variant, staging, model):
        write_tiny(staging / "model.onnx", labels=3)

    monkeypatch.setattr(export_folder, "write_graph", write)


def test_the_folder_has_all_that_an_answer_needs(exported):
    out, record = exported
    assert {path.name for path in out.iterdir()} == {
        "model.onnx", "config.json", "tokenizer.json", "tokenizer_config.json", "data_statistics.json", "export.json",
        "README.md",
    }  # fmt: skip
    assert json.loads((out / "export.json").read_text()) == record
    assert "license: mit" in (out / "README.md").read_text() and out.stat().st_mode & 0o777 == 0o755
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_the_record_has_every_figure_of_the_comparison(exported):
    check = exported[1]["check"]
    assert (check["rows"], check["agreeing"], check["metric"]) == (60, 60, "accuracy")
    assert check["scores"]["pytorch"] == check["scores"]["onnx"] and check["relative_difference"] < 1e-5
    assert min(check["rows_per_second"].values()) > 0 and check["bytes"]["onnx"] < check["bytes"]["pytorch"] + 40_000


def test_the_folder_answers_as_the_model(model, exported):
    first, second = load(str(model[0]), precision="fp32"), load(str(exported[0]))
    assert second.task == first.task and second.truncation == first.truncation
    for one, other in zip(first(TEXTS), second(TEXTS), strict=True):
        assert one.label == other.label and one.tokens == other.tokens
        np.testing.assert_allclose([*one.probabilities.values()], [*other.probabilities.values()], atol=1e-6)


def test_a_program_that_knows_nothing_of_calibration_has_the_same_probabilities(model, exported):
    import onnxruntime

    out = exported[0]
    batch = AutoTokenizer.from_pretrained(out)(TEXTS, padding=True, truncation=True, return_tensors="np")
    session = onnxruntime.InferenceSession(str(out / "model.onnx"), providers=["CPUExecutionProvider"])
    logits = session.run(["logits"], {each.name: batch[each.name] for each in session.get_inputs()})[0]
    probabilities = torch.tensor(logits).softmax(-1).numpy()
    given = [[*answer.probabilities.values()] for answer in load(str(model[0]), precision="fp32")(TEXTS)]
    np.testing.assert_allclose(probabilities, given, atol=1e-6)
    assert json.loads((out / "config.json").read_text())["calibration"]["in_the_weights"] is True


def earlier_export(out, *others):
    """An export of another model, which has written `others` too."""
    onnx_folder(out)
    for name in others:
        (out / name).write_text("")
    names = [*(path.name for path in out.iterdir()), "export.json"]
    (out / "export.json").write_text(json.dumps({"variant": "fp32", "files": names}))


def test_a_refused_export_leaves_nothing(model, tmp_path, other_answers):
    words = ["--variant fp32", "of 60 rows", "rows.csv", "predict.py"]
    assert_refused(words, export, model[0], tmp_path / "new" / "deeper" / "out", model[1])
    assert not list(tmp_path.iterdir())


def test_a_refused_export_leaves_the_earlier_one_as_it_was(model, tmp_path, other_answers):
    out = tmp_path / "out"
    earlier_export(out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert_refused(["of 60 rows"], lambda: export(model[0], out, model[1], overwrite=True))
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before and len(list(tmp_path.iterdir())) == 1


def test_the_remedy_of_a_refusal_keeps_the_export(model, tmp_path, other_answers):
    with pytest.raises(ValueError, match="--min_agreement") as refused:
        export(model[0], tmp_path / "out", model[1])
    share = float(str(refused.value).split("--min_agreement ")[1].split()[0])
    assert export(model[0], tmp_path / "out", model[1], min_agreement=share)["check"]["min_agreement"] == share


def test_an_export_replaces_an_earlier_one_when_it_is_complete(model, tmp_path, other_answers):
    out = tmp_path / "out"
    earlier_export(out, "model.onnx.data")
    export(model[0], out, model[1], overwrite=True, min_agreement=1e-6)
    assert not (out / "model.onnx.data").exists() and [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_export_can_replace_itself_and_nothing_that_is_added_to_it(model, tmp_path, other_answers):
    out = tmp_path / "out"
    export(model[0], out, model[1], min_agreement=1e-6)
    export(model[0], out, model[1], min_agreement=1e-6, overwrite=True)
    (out / "predictions.csv").write_text("a week of work")
    words = ["--overwrite would remove predictions.csv", "Move it away"]
    assert_refused(words, lambda: export(model[0], out, model[1], min_agreement=1e-6, overwrite=True))
    assert (out / "predictions.csv").read_text() == "a week of work"


def test_ctrl_c_leaves_nothing(model, tmp_path, monkeypatch):
    def stop(*arguments, **fields):
        raise KeyboardInterrupt

    monkeypatch.setattr(export_folder, "write_graph", stop)
    with pytest.raises(KeyboardInterrupt):
        export(model[0], tmp_path / "out", model[1])
    assert not list(tmp_path.iterdir())


def test_an_onnx_model_is_not_exported_again(tmp_path):
    onnx_folder(tmp_path / "model")
    words = ["is an ONNX model already", "Pass the folder of the trained model"]
    assert_refused(words, export, tmp_path / "model", tmp_path / "out", "rows.csv")


def test_a_model_that_does_not_exist_is_named_as_on_the_command_line(tmp_path):
    assert_refused(["MODEL ./none", "no such folder"], export, "./none", tmp_path / "out", "rows.csv")


@pytest.mark.parametrize(
    ("variant", "sizes", "warned"),
    [
        ("int8", (9e7, 6e7), True),
        ("int8", (9e7, 2.4e7), False),
        ("fp16", (9e7, 6e7), False),
        ("int8", (9e4, 6e4), False),
    ],
)
def test_int8_that_is_hardly_smaller_is_warned_about(variant, sizes, warned):
    class Facts:
        pass

    facts = Facts()
    facts.variant, facts.sizes = variant, sizes
    assert bool(describe_size(facts)) is warned


def test_the_graph_of_the_folder_is_valid(exported):
    onnx.checker.check_model(onnx.load(exported[0] / "model.onnx"))
