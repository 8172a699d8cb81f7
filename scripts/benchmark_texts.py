"""The texts of `benchmark.py`: a user's file, or the shipped reviews, joined or cut to lengths found in practice."""

from __future__ import annotations

import csv
import random
import re
from pathlib import Path

from benchmark_ways import Workload

ROOT = Path(__file__).resolve().parent.parent
WORDS_PER_REVIEW, SPREAD = 175, 0.65  # median and log-deviation in IMDB


def shipped_reviews() -> list[str]:
    rows = []
    for path in sorted((ROOT / "data" / "reviews").glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as handle:
            rows += [row["text"] for row in csv.DictReader(handle)]
    return rows


def long_texts(reviews: list[str], count: int) -> list[str]:
    """Shipped reviews joined to texts as long as IMDB's."""
    draw, texts = random.Random(0), []
    for _ in range(count):
        wanted, words = draw.lognormvariate(0, SPREAD) * WORDS_PER_REVIEW, []
        while len(words) < wanted:
            words += draw.choice(reviews).split()
        texts.append(" ".join(words[: max(20, int(wanted))]))
    return texts


def short_texts(reviews: list[str], count: int) -> list[str]:
    """Sentences of the reviews with 8 to 22 words: 10 to 25 tokens."""
    sentences = [part.strip() for review in reviews for part in re.split(r"(?<=[.!?])\s+", review)]
    sentences = [sentence for sentence in sentences if 8 <= len(sentence.split()) <= 22]
    return drawn_texts(sentences, count)


def drawn_texts(texts: list[str], count: int) -> list[str]:
    return random.Random(0).choices(texts, k=count)


TEXTS = {  # name, tokens, how texts are made, rows to train on and rows to predict: half a minute on two cores
    "256": ("reviews, 256 tokens", 256, long_texts, 64, 64),
    "512": ("reviews, 512 tokens", 512, long_texts, 8, 24),
    "short": ("sentences", 128, short_texts, 160, 768),
}


def make_workloads(
    model: str, device: str, precision: str, *, names: list[str], file: str | None, length: int,
    batch_sizes: list[int], steps: int, predicted: int | None = None,
) -> list[Workload]:  # fmt: skip
    """One workload per text length and batch size.

    Args:
        names: keys of `TEXTS`.
        file: CSV file with a column text, read instead of the shipped texts and cut to `length` tokens.
        steps: multiplies the number of rows.
        predicted: rows to predict; None for the usual number.
    """
    chosen, source = [TEXTS[name] for name in names], shipped_reviews()
    if file:
        with open(file, encoding="utf-8", newline="") as handle:
            source = [row["text"] for row in csv.DictReader(handle)]
        chosen = [(Path(file).name, length, drawn_texts, 64, 64)]
    return [
        Workload(
            f"{name}, batch {size}", max_length, size, make(source, rows * steps),
            make(source, predicted or usual * steps), model, device, precision,
        )
        for name, max_length, make, rows, usual in chosen
        for size in batch_sizes
    ]  # fmt: skip
