"""Random texts without fault, to plant faults in, and what is then found."""

from __future__ import annotations

import random

from conftest import splits_of

from classification.data.corpus import drop_repeats
from classification.data.label_columns import encode_labels
from classification.data.labels import LabelSpace
from classification.data.quality.label_findings import check_order, check_rows

WORDS = [first + second for first in ("ba", "do", "fi", "gu", "ke", "lo", "mu", "ni") for second in "abcdefghijklm"]


def clean(count: int, seed: int, names=("no", "yes")) -> list[dict]:
    """Random texts of 8 to 40 words, labels at random: no two alike."""
    draw = random.Random(seed)
    return [
        {
            "id": f"s{seed}-{i}",
            "text": " ".join(draw.choices(WORDS, k=draw.randint(8, 40))),
            "label": draw.choice(names),
        }
        for i in range(count)
    ]


def encoded(splits: dict[str, list[dict]], **label_options):
    data = splits_of(splits["train"], **{name: rows for name, rows in splits.items() if name != "train"})
    labels = LabelSpace.from_train(data["train"]["label"], **label_options)
    return encode_labels(data, labels), labels


def found_in(splits: dict[str, list[dict]], *, made=False, remedied=False, **label_options) -> dict:
    """The findings by (kind, split)."""
    data, labels = encoded(splits, **label_options)
    findings = check_rows(data, labels, made=made, remedied=remedied) + check_order(data, labels, "stratified")
    return {(finding.kind, finding.split): finding for finding in findings}


def left_in_train(splits: dict[str, list[dict]], **asked) -> list[str]:
    """The ids of train without the rows that `--drop_duplicates` and `--drop_leaked` remove; other splits stay."""
    data, _ = encoded(splits)
    left = drop_repeats(data, [], **{"duplicates": False, "leaked": False} | asked)
    assert all(left[name]["id"][:] == data[name]["id"][:] for name in data if name != "train")
    return left["train"]["id"][:]


def near_copies(count: int) -> list[dict]:
    """Texts of 60 words, each with a copy that has one word more."""
    rows = []
    for i, row in enumerate(clean(count, 5)):
        text = random.Random(i).choices(WORDS, k=60)
        rows += [row | {"text": " ".join(text)}, row | {"text": " ".join([*text, WORDS[i]]), "id": f"{row['id']}-copy"}]
    return rows


def three_splits() -> dict[str, list[dict]]:
    return {"train": clean(200, 1), "validation": clean(60, 2), "test": clean(60, 3)}
