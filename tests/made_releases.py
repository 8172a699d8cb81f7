"""Releases like Google's, made of random numbers: folders, zip files, and a stand-in for TensorFlow that reads them."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np

CHECKPOINT = "bert_model.ckpt"
CONFIG = {
    "attention_probs_dropout_prob": 0.1,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "hidden_size": 12,
    "initializer_range": 0.02,
    "intermediate_size": 20,
    "max_position_embeddings": 24,
    "num_attention_heads": 3,
    "num_hidden_layers": 2,
    "type_vocab_size": 2,
    "vocab_size": 40,
}
SPECIAL = ["[PAD]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
# 34 word pieces: with capitals and accents, and without.
CASED = ["The", "the", "good", "bad", "Film", "film", "café", "##s", "好", "影", *"ABCDEFGHIJKLabcdefghijkl"]
UNCASED = ["the", "good", "bad", "film", "cafe", "##s", "好", "影", *"abcdefghijklmnopqrstuvwxyz"]


def variables_of(config=CONFIG, *, head=True, pooler=True, classes=None, slots=False, seed=0) -> dict[str, np.ndarray]:
    """Random weights under Google's names, in Google's shapes."""
    random = np.random.default_rng(seed)
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    shapes = {
        "bert/embeddings/word_embeddings": (config["vocab_size"], hidden),
        "bert/embeddings/position_embeddings": (config["max_position_embeddings"], hidden),
        "bert/embeddings/token_type_embeddings": (config["type_vocab_size"], hidden),
    }

    def norm(name):
        shapes.update({f"{name}/LayerNorm/gamma": (hidden,), f"{name}/LayerNorm/beta": (hidden,)})

    def dense(name, inputs=hidden, units=hidden):
        shapes.update({f"{name}/kernel": (inputs, units), f"{name}/bias": (units,)})

    norm("bert/embeddings")
    for number in range(config["num_hidden_layers"]):
        layer = f"bert/encoder/layer_{number}"
        for part in ("self/query", "self/key", "self/value", "output/dense"):
            dense(f"{layer}/attention/{part}")
        norm(f"{layer}/attention/output")
        dense(f"{layer}/intermediate/dense", hidden, inner)
        dense(f"{layer}/output/dense", inner, hidden)
        norm(f"{layer}/output")
    if pooler:
        dense("bert/pooler/dense")
    if head:
        dense("cls/predictions/transform/dense")
        norm("cls/predictions/transform")
        shapes["cls/predictions/output_bias"] = (config["vocab_size"],)
        shapes |= {"cls/seq_relationship/output_weights": (2, hidden), "cls/seq_relationship/output_bias": (2,)}
    if classes:
        shapes |= {"output_weights": (classes, hidden), "output_bias": (classes,)}
    if slots:
        shapes |= {f"{name}/{slot}": shape for name, shape in shapes.items() for slot in ("adam_m", "adam_v")}
    values = {name: random.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
    return values | ({"global_step": np.int64(1234)} if slots else {})


def release_files(variables=None, config=CONFIG, words=UNCASED, checkpoint=CHECKPOINT) -> dict[str, bytes]:
    """File name -> content of a release that the stand-in reads: its file of numbers is an .npz."""
    buffer = io.BytesIO()
    np.savez(buffer, **(variables_of(config) if variables is None else variables))
    return {
        "bert_config.json": json.dumps(config).encode(),
        "vocab.txt": "".join(f"{word}\n" for word in [*SPECIAL, *words]).encode(),
        f"{checkpoint}.data-00000-of-00001": buffer.getvalue(),
        f"{checkpoint}.index": b"index",
        f"{checkpoint}.meta": b"graph",
    }


def make_folder(path, files=None) -> Path:
    path = Path(path)
    for name, content in (release_files() if files is None else files).items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def make_zip(path, files=None, *, inside="") -> Path:
    """A zip file; `inside` is the folder in it that holds the files, as in Google's."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        if inside:
            archive.writestr(f"{inside}/", b"")
        for name, content in (release_files() if files is None else files).items():
            archive.writestr(f"{inside}/{name}" if inside else name, content)
    return Path(path)


class StandInReader:
    """What `tf.train.load_checkpoint` returns, for the .npz of `release_files`."""

    def __init__(self, prefix):
        with np.load(f"{prefix}.data-00000-of-00001", allow_pickle=False) as content:
            self.values = {name: content[name] for name in content}

    def get_variable_to_shape_map(self):
        return {name: list(value.shape) for name, value in self.values.items()}

    def get_variable_to_dtype_map(self):
        return {name: SimpleNamespace(name=value.dtype.name) for name, value in self.values.items()}

    def get_tensor(self, name):
        return self.values[name]


def stand_in_tensorflow() -> ModuleType:
    module = ModuleType("tensorflow")
    module.train = SimpleNamespace(load_checkpoint=StandInReader)
    return module


def run_reader_here(monkeypatch) -> list[list[str]]:
    """Have the reader run in this process with the stand-in; returns the command lines that would have been run."""
    from classification.conversion import tf_reader, tf_variables

    commands = []

    def run(command, **how):
        commands.append(command)
        prefix = os.path.join(how["cwd"], command[-3])
        code = tf_reader.main(prefix, *command[-2:])
        return SimpleNamespace(returncode=code, stdout="", stderr="")

    monkeypatch.setitem(sys.modules, "tensorflow", stand_in_tensorflow())
    monkeypatch.setattr(tf_variables, "subprocess", SimpleNamespace(run=run, DEVNULL=subprocess.DEVNULL))
    return commands
