"""Texts with labels and the files that hold them: what the tests train on. No network, no download."""

from __future__ import annotations

import csv
import random
from pathlib import Path

GOOD = ["good", "great", "lovely", "fine", "bright"]
BAD = ["bad", "awful", "dull", "poor", "bleak"]
FILLER = ["the", "film", "was", "a", "very", "and", "meal", "room", "book", "it", "not", "we"]


def make_rows(count: int, seed: int = 0, labels=("negative", "positive")) -> list[dict]:
    """Texts of 3 to 14 words, one of which reveals the label; classes alternate."""
    draw = random.Random(seed)
    rows = []
    for i in range(count):
        words = draw.choices(FILLER, k=draw.randint(2, 13))
        words.insert(draw.randrange(len(words) + 1), draw.choice((BAD, GOOD)[i % 2]))
        rows.append({"id": f"r{seed}-{i}", "text": " ".join(words), "label": labels[i % 2]})
    return rows


def long_rows(count: int, seed: int, longest: int = 60) -> list[dict]:
    """Texts of 3 to `longest` words, one of which reveals the label."""
    draw = random.Random(seed)
    rows = []
    for i in range(count):
        text = draw.choices(FILLER, k=draw.randint(2, longest - 1))
        text.insert(draw.randrange(len(text) + 1), draw.choice((BAD, GOOD)[i % 2]))
        rows.append({"id": f"r{seed}-{i}", "text": " ".join(text), "label": ("negative", "positive")[i % 2]})
    return rows


def several_rows(count: int, seed: int) -> list[dict]:
    """Multi-label: `praise` for a good word, `blame` for a bad one; a quarter each has one, the other, both or none."""
    draw = random.Random(seed)
    rows = []
    for i in range(count):
        words = draw.choices(FILLER, k=draw.randint(3, 8))
        labels = []
        for name, vocabulary, chosen in (("blame", BAD, i % 4 in (1, 3)), ("praise", GOOD, i % 4 in (2, 3))):
            if chosen:
                words.insert(draw.randrange(len(words) + 1), draw.choice(vocabulary))
                labels.append(name)
        rows.append({"id": f"s{seed}-{i}", "text": " ".join(words), "labels": "|".join(labels)})
    return rows


def stars(row: dict) -> float:
    """A number that the text reveals: good or bad, and a little for its length."""
    return (70.25 if row["label"] == "positive" else 20.5) + len(row["text"]) / 10


def number_rows(value):
    """A maker of rows, as `make_rows`, whose label is the number `value(row)`."""
    return lambda count, seed: [row | {"label": value(row)} for row in make_rows(count, seed=seed)]


def rare_rows(count: int, seed: int) -> list[dict]:
    """One row in eight is positive."""
    return [row for i, row in enumerate(make_rows(4 * count, seed=seed)) if i % 2 == 0 or i % 14 == 1][:count]


def write_csv(path: Path, rows: list[dict]) -> str:
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def write_splits(folder: Path, name: str, make, train: int = 64, validation: int = 24, test: int = 24) -> dict:
    """The flags `--train_file` to `--test_file` of three CSV files `<name>_<split>.csv` in `folder`.

    Args:
        make: rows from a count and a seed, as `make_rows`.
    """
    sizes = {"train": (train, 1), "validation": (validation, 2), "test": (test, 3)}
    return {f"{split}_file": write_csv(folder / f"{name}_{split}.csv", make(*size)) for split, size in sizes.items()}


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
