"""A folder with an ONNX model is found, loaded, and refused what it cannot do."""

from __future__ import annotations

import json
import logging
import shutil

import onnx
import pytest
from helpers import assert_refused, make_bert
from made_exports import onnx_folder, write_graph

from classification.inference import onnx_folder as onnx_folder_module
from classification.inference.onnx_folder import find_onnx
from classification.inference.saved_classifier import load_saved
from classification.models.choice import ModelChoice
from predict import load, main


@pytest.mark.parametrize("place", ["model.onnx", "onnx/model.onnx", "classifier.onnx", "onnx/model_quantized.onnx"])
def test_a_folder_of_another_exporter_answers(tmp_path, place):
    onnx_folder(tmp_path, place=place)
    assert load(str(tmp_path))("good film").label in ("blame", "neutral")


def test_safetensors_come_first(tmp_path):
    onnx_folder(tmp_path)
    make_bert().save_pretrained(tmp_path)
    assert find_onnx(ModelChoice(str(tmp_path))) is None


def test_a_pickle_beside_the_graph_is_not_read(tmp_path):
    onnx_folder(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    assert find_onnx(ModelChoice(str(tmp_path))) == tmp_path / "model.onnx"


def test_several_graphs_without_a_usual_name_are_refused(tmp_path):
    onnx_folder(tmp_path, place="a.onnx")
    write_graph(tmp_path / "onnx" / "b.onnx")
    assert_refused(["a.onnx, onnx/b.onnx", "model.onnx"], find_onnx, ModelChoice(str(tmp_path)))
    (tmp_path / "a.onnx").rename(tmp_path / "model.onnx")  # the remedy
    assert find_onnx(ModelChoice(str(tmp_path))) == tmp_path / "model.onnx"


def test_the_file_in_the_place_of_its_folder_is_refused_with_the_folder(tmp_path):
    onnx_folder(tmp_path)
    assert_refused([f"Pass its folder: {tmp_path}"], find_onnx, ModelChoice(str(tmp_path / "model.onnx")))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"variant": "int8"}, ["--variant int8", "scripts/export_onnx.py --variant int8"]),
        ({"precision": "bf16"}, ["--precision bf16", "Leave the flag out"]),
        ({"max_seq_length": 65}, ["--max_seq_length 65", "at most 64 tokens"]),
        ({"device": "cuda:77"}, ["device cuda:77"]),
    ],
)
def test_what_an_onnx_model_cannot_do_is_refused(tmp_path, fields, words):
    onnx_folder(tmp_path)
    assert_refused(words, lambda: load(str(tmp_path), **fields))


def test_the_number_format_of_the_export_may_be_named(tmp_path):
    onnx_folder(tmp_path)
    (tmp_path / "export.json").write_text(json.dumps({"variant": "int8"}))
    assert load(str(tmp_path), variant="int8").engine.name == "onnx int8"
    assert_refused(["--precision fp32", "int8"], lambda: load(str(tmp_path), precision="fp32"))


@pytest.mark.parametrize(
    ("record", "can_overflow", "warned"),
    [
        ({"variant": "int8", "reduced_range": False}, True, True),
        ({"variant": "int8", "reduced_range": False}, False, False),
        ({"variant": "int8", "reduced_range": True}, True, False),
        ({"variant": "fp32", "reduced_range": False}, True, False),
    ],
)
def test_int8_of_another_kind_of_cpu_is_warned_about(tmp_path, monkeypatch, record, can_overflow, warned):
    found = []
    monkeypatch.setattr(onnx_folder_module, "int8_can_overflow", lambda: can_overflow)
    monkeypatch.setattr(onnx_folder_module, "log_lines", found.extend)
    onnx_folder(tmp_path)
    (tmp_path / "export.json").write_text(json.dumps(record))
    load(str(tmp_path))
    assert [("VNNI" in line.text, line.level) for line in found] == ([(True, logging.WARNING)] if warned else [])


@pytest.mark.parametrize("content", ["{", "[]", "[" * 100_000, '{"variant": 3, "longest_input": "x"}'])
def test_a_damaged_record_costs_nothing(tmp_path, content):
    onnx_folder(tmp_path)
    (tmp_path / "export.json").write_text(content)
    assert load(str(tmp_path))("good film").label in ("blame", "neutral")


def test_few_texts_at_the_terminal_are_answered(tmp_path):
    onnx_folder(tmp_path)
    assert len(main([str(tmp_path), "--text", "good film", "--text", "bad"])["answers"]) == 2


def test_explanations_are_refused(tmp_path):
    pytest.importorskip("captum")
    onnx_folder(tmp_path)
    assert_refused(["--explain", "gradients", str(tmp_path)], main, [str(tmp_path), "--text", "good film", "--explain"])


def test_the_position_table_of_roberta_begins_behind_the_pad_token(tmp_path):
    onnx_folder(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"model_type": "roberta", "max_position_embeddings": 66, "pad_token_id": 1}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert_refused(["at most 64 tokens"], lambda: load(str(tmp_path), max_seq_length=65))
    assert load(str(tmp_path), max_seq_length=64).tokenizer.model_max_length == 64


def test_equal_models_are_equal_wherever_they_lie_and_changed_weights_are_not(tmp_path):
    onnx_folder(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    first, second = (load_saved(ModelChoice(str(tmp_path / name)))[0].identity for name in "ab")
    assert first == second
    path = tmp_path / "b" / "model.onnx"
    graph = onnx.load(path)
    table = graph.graph.initializer[0]
    table.raw_data = bytes([table.raw_data[0] ^ 1]) + table.raw_data[1:]
    onnx.save(graph, path)
    assert load_saved(ModelChoice(str(tmp_path / "b")))[0].identity != first


def test_a_repository_of_the_hub_with_a_graph_in_its_folder_is_found(tmp_path):
    """The layout of the Hub's cache, without a connection."""
    repository = tmp_path / "models--me--classifier"
    snapshot = repository / "snapshots" / ("a" * 40)
    onnx_folder(snapshot, place="onnx/model.onnx")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("a" * 40)
    classifier = load("me/classifier", cache_dir=str(tmp_path))
    assert classifier("good film").label in ("blame", "neutral")
    assert classifier.model.path == snapshot / "onnx" / "model.onnx"


@pytest.mark.parametrize("name", ["weights.data", "model.onnx_data", "large.bin"])
def test_weights_beside_the_graph_are_part_of_the_model_and_other_files_are_not(tmp_path, name):
    onnx_folder(tmp_path)
    graph = onnx.load(tmp_path / "model.onnx")
    onnx.save(graph, tmp_path / "model.onnx", save_as_external_data=True, location=name, size_threshold=1000)
    for other in ("model_fp16.onnx.data", "pytorch_model.bin", "notes"):
        (tmp_path / other).write_text("of another model")
    first = load_saved(ModelChoice(str(tmp_path)))[0]
    before = first.identity
    assert [path.name for path in first.model.files] == ["model.onnx", name]
    content = bytearray((tmp_path / name).read_bytes())
    content[0] ^= 1
    (tmp_path / name).write_bytes(content)
    assert load_saved(ModelChoice(str(tmp_path)))[0].identity != before


def test_no_torch_model_is_made(tmp_path, monkeypatch):
    def fails(*arguments, **fields):
        raise AssertionError("a torch model is made")

    onnx_folder(tmp_path)
    monkeypatch.setattr("torch.nn.Module.__init__", fails)
    assert load(str(tmp_path))("good film").label in ("blame", "neutral")
