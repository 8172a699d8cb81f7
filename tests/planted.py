"""Random texts without problems, to plant faults in, and the findings that result."""

from __future__ import annotations

import random

from corpus import splits_of
from datasets import DatasetDict

from classification.data.findings import Finding
from classification.data.label_columns import encode_labels
from classification.data.label_hints import LabelHints
from classification.data.labels import LabelSpace
from classification.data.quality import Inspected, check_order, drop_repeats, inspect_corpus
from classification.data.tasks import infer_task

WORDS = [first + second for first in ("ba", "do", "fi", "gu", "ke", "lo", "mu", "ni") for second in "abcdefghijklm"]


def clean(count: int, seed: int, names=("no", "yes")) -> list[dict]:
    """Random texts of 8 to 40 words with random labels; no two texts are alike."""
    draw = random.Random(seed)
    return [
        {
            "id": f"s{seed}-{i}",
            "text": " ".join(draw.choices(WORDS, k=draw.randint(8, 40))),
            "label": draw.choice(names),
        }
        for i in range(count)
    ]


def three_splits() -> dict[str, list[dict]]:
    return {"train": clean(200, 1), "validation": clean(60, 2), "test": clean(60, 3)}


def near_copies(count: int) -> list[dict]:
    """Texts of 60 words, each followed by a copy with one word more."""
    rows = []
    for i, row in enumerate(clean(count, 5)):
        text = random.Random(i).choices(WORDS, k=60)
        rows += [row | {"text": " ".join(text)}, row | {"text": " ".join([*text, WORDS[i]]), "id": f"{row['id']}-copy"}]
    return rows


def encoded(splits: dict[str, list[dict]], **hints) -> tuple[DatasetDict, LabelSpace]:
    """The splits with encoded labels, and the task; `hints` as of `LabelHints`."""
    data = splits_of(splits["train"], **{name: rows for name, rows in splits.items() if name != "train"})
    task = infer_task(data["train"]["label"], LabelHints(**hints))
    return encode_labels(data, task), task


def inspected(splits: dict[str, list[dict]], *, split_off=False, has_imbalance_flag=False, **hints) -> Inspected:
    """What one check reads."""
    return Inspected(*encoded(splits, **hints), split_off=split_off, has_imbalance_flag=has_imbalance_flag)


def findings_of(splits: dict[str, list[dict]], *, split_off=False, has_imbalance_flag=False, **hints) -> dict:
    """The findings of all checks by (kind, split)."""
    data, task = encoded(splits, **hints)
    findings = inspect_corpus(data, task, split_off=split_off, has_imbalance_flag=has_imbalance_flag) + check_order(
        data, task, "stratified"
    )
    return by_kind(findings)


def by_kind(findings: list[Finding]) -> dict[tuple[str, str], Finding]:
    return {(finding.kind, finding.split): finding for finding in findings}


def left_in_train(splits: dict[str, list[dict]], *, duplicates=False, leaked=False) -> list[str]:
    """The ids of train without the rows that `--drop_duplicates` and `--drop_leaked` remove."""
    data, _ = encoded(splits)
    left = drop_repeats(data, [], duplicates=duplicates, leaked=leaked)
    assert all(left[name]["id"][:] == data[name]["id"][:] for name in data if name != "train")
    return left["train"]["id"][:]
