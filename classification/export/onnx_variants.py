"""A graph in fp32 in another number format: half precision, or int8 weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from classification.errors import UsageError
from classification.export.onnx_graph import LARGEST, last_nodes, quiet, reason_of
from classification.models.kernels.machine import int8_can_overflow
from classification.system.files import disk_problem

FP32, FP16, INT8 = "fp32", "fp16", "int8"
QUANTISED = ["MatMul", "Gemm", "Gather"]  # linear layers and embeddings, which are most weights of a small model


def make_variant(variant: str, source: Path, target: Path, *, largest: int = LARGEST) -> None:
    """Write the graph `source` in another number format.

    Args:
        variant: `fp16` or `int8`. largest: bytes of a graph above which its weights are saved beside it.

    Raises:
        UsageError: the conversion fails; the error names the reason.
        OSError: the disk refuses the file.
    """
    is_large = sum(path.stat().st_size for path in source.parent.glob(f"{source.name}*")) > largest
    try:
        with quiet():
            (write_fp16 if variant == FP16 else write_int8)(source, target, is_large)
    except Exception as error:  # of any step of the library
        if disk_problem(error):
            raise
        raise UsageError(
            f"--variant {variant}: onnxruntime cannot convert this model: {reason_of(error).rstrip('.')}. "
            "Use --variant fp32."
        ) from error


def write_fp16(source: Path, target: Path, is_large: bool) -> None:
    """Weights and arithmetic in fp16; the head, inputs and outputs stay as they are.

    A regressor's head gives numbers in the units of its labels, which may be larger than fp16 can hold.
    """
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    head = last_nodes(onnx.load(str(source), load_external_data=False))
    model = convert_float_to_float16(str(source), keep_io_types=True, node_block_list=head)
    drop_detours(model)
    beside = f"{target.name}.data" if is_large else None
    onnx.save(model, str(target), save_as_external_data=is_large, location=beside)


def drop_detours(model: Any) -> None:
    """Remove the way through fp16 between two nodes in fp32, and between the last one and the outputs."""
    from onnx import TensorProto

    graph, ends = model.graph, {each.name for each in model.graph.output}
    casts = {node.output[0]: (node.input[0], node.attribute[0].i) for node in graph.node if node.op_type == "Cast"}
    direct: dict[str, str] = {}  # what went through fp16 -> the same in fp32
    for name, (given, kind) in casts.items():
        source, inner = casts.get(given, ("", TensorProto.UNDEFINED))
        if kind == TensorProto.FLOAT and inner == TensorProto.FLOAT16:
            direct[name] = source
    for name in direct:
        while direct[name] in direct:
            direct[name] = direct[direct[name]]
    names = {direct[end]: end for end in ends & direct.keys()}  # the node before the detour writes the output itself
    kept = [node for node in graph.node if node.output[0] not in direct]
    for node in kept:
        node.input[:] = [names.get(new, new) for new in (direct.get(name, name) for name in node.input)]
        node.output[:] = [names.get(name, name) for name in node.output]
    read = {name for node in kept for name in node.input} | ends
    kept = [node for node in kept if node.op_type != "Cast" or node.output[0] in read]
    del graph.node[:]
    graph.node.extend(kept)


def write_int8(source: Path, target: Path, is_large: bool) -> None:
    """Dynamic quantisation of linear layers and embeddings: one scale per output of a layer, one for all activations.

    Products of two activations, as in attention, and the head stay in fp32.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        str(source), str(target), op_types_to_quantize=QUANTISED, per_channel=True,
        reduce_range=int8_can_overflow(), weight_type=QuantType.QInt8, use_external_data_format=is_large,
        extra_options={"MatMulConstBOnly": True},
        nodes_to_exclude=last_nodes(onnx.load(str(source), load_external_data=False)),
    )  # fmt: skip
