"""Tiny models and readable data, built here: the fast tests need no network and no download."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

GOOD = ["good", "great", "lovely", "fine", "bright"]
BAD = ["bad", "awful", "dull", "poor", "bleak"]
FILLER = ["the", "film", "was", "a", "very", "and", "meal", "room", "book", "it", "not", "we"]


# Flags that make a later prediction out of the `command` of a training.
AGAIN = {"train_file": None, "validation_file": None, "max_seq_length": None, "do_predict": True}


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the slow tests too")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--slow"):
        for item in items:
            if "slow" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="slow: pass --slow"))


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Cached data stays inside the test session. `datasets` read its environment when it was imported."""
    import datasets

    folder = str(tmp_path_factory.mktemp("hf_cache"))
    os.environ["HF_DATASETS_CACHE"] = folder
    datasets.config.HF_DATASETS_CACHE = folder


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


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> str:
    """A folder with an untrained encoder (no head) and its tokenizer, as they come from the Hub."""
    folder = tmp_path_factory.mktemp("models") / "tiny-bert"
    make_bert().bert.save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return str(folder)


def make_rows(count: int, seed: int = 0, labels=("negative", "positive")) -> list[dict]:
    """Texts of 3 to 14 words in which one word gives the label away; classes alternate."""
    import random

    draw = random.Random(seed)
    rows = []
    for i in range(count):
        words = draw.choices(FILLER, k=draw.randint(2, 13))
        words.insert(draw.randrange(len(words) + 1), draw.choice((BAD, GOOD)[i % 2]))
        rows.append({"id": f"r{seed}-{i}", "text": " ".join(words), "label": labels[i % 2]})
    return rows


def long_rows(count: int, seed: int, longest: int = 60) -> list[dict]:
    """Texts of 3 words to `longest`, in which one word gives the label away."""
    import random

    draw = random.Random(seed)
    rows = []
    for i in range(count):
        text = draw.choices(FILLER, k=draw.randint(2, longest - 1))
        text.insert(draw.randrange(len(text) + 1), draw.choice((BAD, GOOD)[i % 2]))
        rows.append({"id": f"r{seed}-{i}", "text": " ".join(text), "label": ("negative", "positive")[i % 2]})
    return rows


def write_csv(path: Path, rows: list[dict]) -> str:
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def splits_of(rows: list[dict], **more):
    """A DatasetDict of train and, by keyword, other splits."""
    from datasets import Dataset, DatasetDict

    return DatasetDict(
        train=Dataset.from_list(rows), **{name: Dataset.from_list(value) for name, value in more.items()}
    )


def hub_folder(tmp_path) -> str:
    """IMDB as on the Hub: ClassLabel, text and label, an `unsupervised` split labelled -1."""
    from datasets import ClassLabel, Dataset, Features, Value

    features = Features({"text": Value("string"), "label": ClassLabel(names=["neg", "pos"])})
    folder = tmp_path / "hub" / "data"
    folder.mkdir(parents=True)
    for split, count in (("train", 40), ("test", 10), ("unsupervised", 30)):
        rows = make_rows(count, seed=count, labels=(-1, -1) if split == "unsupervised" else (0, 1))
        rows = [{"text": row["text"], "label": row["label"]} for row in rows]
        Dataset.from_list(rows, features=features).to_parquet(str(folder / f"{split}-00000-of-00001.parquet"))
    return str(folder.parent)


@pytest.fixture
def files(tmp_path) -> dict[str, str]:
    """train (64 rows), validation (24) and test (24) as CSV files."""
    sizes = {"train": (64, 1), "validation": (24, 2), "test": (24, 3)}
    return {split: write_csv(tmp_path / f"{split}.csv", make_rows(*size)) for split, size in sizes.items()}


@pytest.fixture
def long_files(tmp_path) -> dict[str, str]:
    sizes = {"train": (48, 1), "validation": (20, 2), "test": (20, 3)}
    return {
        f"{split}_file": write_csv(tmp_path / f"long_{split}.csv", long_rows(*size)) for split, size in sizes.items()
    }


@pytest.fixture
def command(tiny_model, files, tmp_path):
    """A function that builds a quick command line on the tiny model; keywords add or replace flags, None drops one."""

    def build(**flags) -> list[str]:
        standard = {
            "model_name_or_path": tiny_model,
            "train_file": files["train"],
            "validation_file": files["validation"],
            "test_file": files["test"],
            "output_dir": str(tmp_path / "out"),
            "max_seq_length": 32,
            "num_train_epochs": 1,
            "per_device_train_batch_size": 8,
            "learning_rate": 0.005,
            "precision": "fp32",
            "disable_tqdm": True,
        }
        return [f"--{name}={value}" for name, value in (standard | flags).items() if value is not None]

    return build


def run_in_two_processes(arguments: list[str]) -> None:
    """The command line on two gloo processes of this machine."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    command = [*launch, str(ROOT / "run_classification.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def nothing_slow(monkeypatch):
    """Tokenising is the first slow step: reaching it means that the error came too late."""
    import run_classification

    def too_late(*args, **kwargs):
        raise AssertionError("tokenising began before the error")

    monkeypatch.setattr(run_classification, "encode_splits", too_late)
