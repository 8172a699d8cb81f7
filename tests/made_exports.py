"""Saved classifiers of every architecture and task with random weights, to be exported; rows to compare them on."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import torch
import zoo
from corpus import BAD, FILLER, GOOD, write_csv

from classification.data.labels import LabelSpace
from classification.export.export_folder import ExportRequest, export_model
from classification.models.calibrated_head import calibrated_head
from classification.models.choice import ModelChoice
from classification.models.parts import output_layer
from classification.models.regression_head import own_units

CLASSES = ("blame", "neutral", "praise")
SEVERAL = (["blame"], ["praise"], ["blame", "praise"], [])
NUMBERS = (1.5, 200.25, 399.0, 120.5)
WORDS = 1000  # rows in the table of the tiny graph


def save_classifier(
    folder: Path, name: str = "bert", values=CLASSES, *, pooling=None, change=None, **task_fields
):  # fmt: skip
    """Save a classifier as a training saves it: calibrated, or in the units of its labels.

    Args:
        values: labels, which decide the task. change: a function that changes the weights of the model.
        task_fields: of the task, such as `temperatures` and `thresholds`.
    """
    encoder = folder.with_name(folder.name + "-encoder")
    zoo.save_pretrained(name, encoder)
    loaded = zoo.load(encoder, values, pooling=pooling)
    model = loaded.model.eval()
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
        if change:
            change(model)
    task: LabelSpace = replace(zoo_task(values), **task_fields)
    task.write_to(model.config)
    batch = zoo.encode(loaded.tokenizer, random_texts(20))

    def few_logits():
        with torch.no_grad():
            return model(**batch).logits.numpy()

    _, head = output_layer(model)
    if head is not None and head.bias is not None:  # otherwise all texts have the same answer
        head.bias.data -= torch.tensor(few_logits()).mean(dim=0)
    with own_units(model, task), calibrated_head(model, task, few_logits):
        model.save_pretrained(folder)
    loaded.tokenizer.save_pretrained(folder)
    return folder


def zoo_task(values) -> LabelSpace:
    from classification.data.tasks import infer_task

    return infer_task(list(values))


def check_rows(path: Path, count: int = 60, *, label=None) -> str:
    """A file of random texts.

    Args:
        label: a function from the row's number to its label; None for no labels.
    """
    texts = enumerate(random_texts(count))
    return write_csv(path, [{"text": text} | ({} if label is None else {"label": label(row)}) for row, text in texts])


def random_texts(count: int) -> list[str]:
    """Texts of 1 to 30 words, always the same."""
    draw = random.Random(7)
    return [" ".join(draw.choices([*FILLER, *GOOD, *BAD], k=draw.randint(1, 30))) for _ in range(count)]


def export(folder: Path, out: Path, file: str, variant: str = "fp32", **fields) -> dict:
    return export_model(ExportRequest(ModelChoice(str(folder)), out, variant, file, **fields))


def write_graph(
    path: Path, labels: int = 2, *, inputs=("input_ids", "attention_mask"), size=(None, None), kind="int64"
):
    """A tiny ONNX classifier: its logits are the sum of a vector per token that the mask keeps.

    Args:
        size: of a batch; a number is fixed. kind: of the inputs.
    """
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper, save

    number = {"int64": TensorProto.INT64, "int32": TensorProto.INT32, "float": TensorProto.FLOAT}[kind]
    shape = [name if given is None else given for name, given in zip(("batch", "tokens"), size, strict=True)]
    table = np.random.default_rng(0).normal(size=(WORDS, labels)).astype(np.float32)
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["ids"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "ids"], ["vectors"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["column"]),
        helper.make_node("Mul", ["vectors", "column"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "first"], ["logits"], keepdims=0),
    ]
    weights = {"table": table, "last": np.array([2]), "first": np.array([1])}
    graph = helper.make_graph(
        nodes, "tiny", [helper.make_tensor_value_info(name, number, shape) for name in inputs],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", labels])],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), str(path))
    return table


def onnx_folder(folder: Path, task: LabelSpace | None = None, place: str = "model.onnx", **graph):
    """A folder as another exporter leaves it: a tiny graph, config and tokenizer; returns the graph's table."""
    from helpers import make_bert, make_tokenizer

    task = task or zoo_task(CLASSES[:2])
    config = make_bert().config
    task.write_to(config)
    config.save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return write_graph(folder / place, task.num_labels, **graph)
