"""An ONNX file of any origin: opened, or refused with what is wrong in it."""

from __future__ import annotations

import importlib.util
from types import SimpleNamespace

import onnx
import pytest
from helpers import assert_refused
from made_exports import onnx_folder, write_graph
from onnx.external_data_helper import set_external_data
from transformers import AutoConfig

from classification.inference import onnx_model
from classification.inference.onnx_model import open_model

FIXED = {"size": (1, 16)}


def opened(folder, **graph):
    onnx_folder(folder, **graph)
    return open_model(folder / "model.onnx", AutoConfig.from_pretrained(folder), "NAME")


def test_a_graph_of_another_exporter_is_opened(tmp_path):
    model = opened(tmp_path)
    assert set(model.inputs) == {"input_ids", "attention_mask"}


def test_inputs_of_32_bits_are_read(tmp_path):
    assert opened(tmp_path, kind="int32").inputs["input_ids"] == "tensor(int32)"


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        ({"inputs": ("input_ids", "attention_mask", "position_ids")}, ["position_ids", "token_type_ids"]),
        (FIXED, ["fixed shape", "[1, 16]"]),
        ({"size": (None, 16)}, ["fixed shape"]),
        ({"kind": "float"}, ["type tensor(float)", "int64"]),
    ],
)
def test_a_graph_that_cannot_be_given_its_inputs_is_refused(tmp_path, graph, words):
    assert_refused(["MODEL NAME: model.onnx", "scripts/export_onnx.py", *words], lambda: opened(tmp_path, **graph))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("input_ids", ["no input input_ids", "reads no text"]),
        ("attention_mask", ["no input attention_mask", "padding changes its answers"]),
        ("logits", ["no output logits, but probabilities"]),
    ],
)
def test_a_graph_without_what_an_answer_needs_is_refused(tmp_path, monkeypatch, name, words):
    """A graph that does not know padding, or one that gives probabilities, would answer wrongly in silence."""

    class Named:
        def __init__(self, session):
            inputs = [each for each in session.get_inputs() if each.name != name]
            others = [SimpleNamespace(name="probabilities", shape=["batch", 2])]
            self.get_inputs = lambda: inputs
            self.get_outputs = lambda: others if name == "logits" else session.get_outputs()

    find = onnx_model.open_session
    monkeypatch.setattr(onnx_model, "open_session", lambda *arguments: Named(find(*arguments)))
    assert_refused(["MODEL NAME: model.onnx", "scripts/export_onnx.py", *words], lambda: opened(tmp_path))


@pytest.mark.parametrize("place", ["../weights.bin", "/etc/passwd", "link.bin"])
def test_weights_outside_the_folder_are_never_read(tmp_path, place):
    """An ONNX file from anywhere may name any file of this machine as its weights."""
    folder = tmp_path / "model"
    onnx_folder(folder)
    path = folder / "model.onnx"
    graph = onnx.load(path)
    table = graph.graph.initializer[0]
    (tmp_path / "weights.bin").write_bytes(table.raw_data)
    (folder / "link.bin").symlink_to(tmp_path / "weights.bin")
    set_external_data(table, place, length=len(table.raw_data))
    table.ClearField("raw_data")
    path.write_bytes(graph.SerializeToString())
    config = AutoConfig.from_pretrained(folder)
    assert_refused(["MODEL NAME: model.onnx does not load"], open_model, path, config, "NAME")


@pytest.mark.parametrize("damage", ["missing", "short"])
def test_weights_beside_the_graph_that_are_not_whole_are_one_line(tmp_path, damage):
    onnx_folder(tmp_path)
    graph = onnx.load(tmp_path / "model.onnx")
    onnx.save(graph, tmp_path / "model.onnx", save_as_external_data=True, location="w.data", size_threshold=1000)
    content = (tmp_path / "w.data").read_bytes()
    (tmp_path / "w.data").write_bytes(content[: len(content) // 2])
    if damage == "missing":
        (tmp_path / "w.data").unlink()
    config = AutoConfig.from_pretrained(tmp_path)
    assert_refused(["MODEL NAME", "does not load"], open_model, tmp_path / "model.onnx", config, "NAME")


def test_a_graph_with_another_number_of_labels_is_refused(tmp_path):
    onnx_folder(tmp_path)
    write_graph(tmp_path / "model.onnx", labels=3)
    config = AutoConfig.from_pretrained(tmp_path)
    assert_refused(["2 labels in config.json", "'batch', 3"], open_model, tmp_path / "model.onnx", config, "NAME")


@pytest.mark.parametrize("content", [b"", b"not a graph", "half"])
def test_a_damaged_file_is_one_line(tmp_path, content):
    onnx_folder(tmp_path)
    path = tmp_path / "model.onnx"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if content == "half" else content)
    assert_refused(["MODEL NAME", "does not load"], open_model, path, AutoConfig.from_pretrained(tmp_path), "NAME")


def test_a_missing_onnxruntime_is_named_with_the_command_that_installs_it(tmp_path, monkeypatch):
    onnx_folder(tmp_path)
    find = importlib.util.find_spec
    monkeypatch.setattr(onnx_model, "find_spec", lambda name: None if name == "onnxruntime" else find(name))
    config = AutoConfig.from_pretrained(tmp_path)
    assert_refused(["MODEL NAME", "pip install onnxruntime"], open_model, tmp_path / "model.onnx", config, "NAME")


def test_a_device_that_onnxruntime_does_not_have_is_refused(tmp_path):
    onnx_folder(tmp_path)
    config = AutoConfig.from_pretrained(tmp_path)
    assert_refused(["device cuda:1", "Pass cpu"], open_model, tmp_path / "model.onnx", config, "NAME", "cuda:1")
