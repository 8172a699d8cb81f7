"""fp16 and int8 of a graph: the sizes that they promise, and nothing of the old weights beside the new ones."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from helpers import assert_refused
from onnx import TensorProto, helper, numpy_helper

from classification.export import onnx_variants
from classification.export.onnx_graph import last_nodes
from classification.export.onnx_variants import make_variant

WORDS, WIDTH, INNER = 3000, 64, 256
IDS = np.random.default_rng(1).integers(0, WORDS, (5, 7))


@pytest.fixture
def source(tmp_path):
    """Embeddings, their mean, a layer, and a head of two labels whose second output is in the thousands."""
    draw = np.random.default_rng(0)
    weights = {
        "table": draw.normal(size=(WORDS, WIDTH)), "layer": draw.normal(size=(WIDTH, INNER)) / 8,
        "head": draw.normal(size=(INNER, 2)), "shift": np.array([0.0, 250_000.0]),
    }  # fmt: skip
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["vectors"], "embed"),
        helper.make_node("MatMul", ["vectors", "layer"], ["inner"], "middle"),
        helper.make_node("ReduceMean", ["inner", "first"], ["mean"], "pool", keepdims=0),
        helper.make_node("MatMul", ["mean", "head"], ["plain"], "last"),
        helper.make_node("Add", ["plain", "shift"], ["logits"], "units"),
    ]
    shapes = [("input_ids", TensorProto.INT64, ["b", "t"]), ("logits", TensorProto.FLOAT, ["b", 2])]
    values = [helper.make_tensor_value_info(*shape) for shape in shapes]
    arrays = [numpy_helper.from_array(each.astype(np.float32), name) for name, each in weights.items()]
    graph = helper.make_graph(
        nodes, "g", values[:1], values[1:], [*arrays, numpy_helper.from_array(np.array([1]), "first")]
    )
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path


def outputs(path):
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"input_ids": IDS})[0]


def made(source, tmp_path, variant, **fields):
    target = tmp_path / "new" / "model.onnx"
    target.parent.mkdir()
    make_variant(variant, source, target, **fields)
    return target


@pytest.mark.parametrize(("variant", "share", "tolerance"), [("fp16", 0.52, 1e-2), ("int8", 0.28, 0.2)])
def test_the_file_is_as_small_as_its_numbers_and_the_outputs_stay_fp32(source, tmp_path, variant, share, tolerance):
    target = made(source, tmp_path, variant)
    assert [path.name for path in target.parent.iterdir()] == ["model.onnx"]
    assert target.stat().st_size < share * source.stat().st_size
    before, after = outputs(source), outputs(target)
    assert after.dtype == np.float32
    np.testing.assert_allclose(after[:, 0], before[:, 0], atol=tolerance)
    np.testing.assert_allclose(after[:, 1], before[:, 1], atol=0.3)  # 250,000 is no number of fp16


def test_int8_leaves_the_head_and_nothing_else_in_fp32(source, tmp_path):
    graph = onnx.load(made(source, tmp_path, "int8")).graph
    large = {each.name: each.data_type for each in graph.initializer if np.prod(each.dims) > 1000}
    assert {name for name, kind in large.items() if kind == TensorProto.FLOAT} == set()
    assert len(large) == 2 and "head" in {each.name for each in graph.initializer}


@pytest.mark.parametrize("variant", ["fp16", "int8"])
def test_weights_above_the_limit_lie_beside_the_graph(source, tmp_path, variant):
    target = made(source, tmp_path, variant, largest=1000)
    assert len(list(target.parent.iterdir())) == 2 and target.stat().st_size < 20_000
    np.testing.assert_allclose(outputs(target)[:, 0], outputs(source)[:, 0], atol=0.2)


def test_the_head_is_what_follows_the_last_product(source):
    assert last_nodes(onnx.load(source)) == ["units", "last"]


def test_a_conversion_that_fails_is_one_line(source, tmp_path, monkeypatch):
    def fails(*arguments, **fields):
        raise RuntimeError("[ShapeInferenceError] Inferred shape and existing shape differ in dimension 0\nmore")

    monkeypatch.setattr(onnx_variants, "write_int8", fails)
    words = ["--variant int8", "existing shape differ in dimension 0", "Use --variant fp32."]
    assert_refused(words, made, source, tmp_path, "int8")


def test_a_full_disk_is_no_fault_of_the_conversion(source, tmp_path, monkeypatch):
    def fails(*arguments, **fields):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(onnx_variants, "write_fp16", fails)
    with pytest.raises(OSError, match="No space left"):
        made(source, tmp_path, "fp16")
