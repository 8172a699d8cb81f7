"""TF-IDF with logistic regression against the fine-tuned quickstart model on the test split of data/reviews.

    python scripts/compare_with_tfidf.py [--model_name_or_path FOLDER] [--seeds 1,2,3] [flags of run_classification.py]

Both are trained on train; validation selects the model's epoch and, by log loss, the regression's C. The table shows
the accuracy per seed and phenomenon. The 95% interval of the difference comes from 9,999 paired bootstrap samples of
the test rows: a sampled row counts for both.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from classification.cli.command import run_command, start_command

PRESET = str(ROOT / "presets" / "quickstart.yaml")


def parse() -> tuple[argparse.Namespace, list[str]]:
    """The flags of this script, and those of run_classification.py."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--output_dir", type=Path, default=ROOT / "outputs" / "comparison")
    return parser.parse_known_args()


if __name__ == "__main__":  # before the imports below, which take seconds
    start_command([PRESET, *parse()[1]])

import numpy as np
from scipy.stats import bootstrap
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline

from run_classification import main as fine_tune

CANDIDATES = (0.1, 1, 10, 100)


def read(path: Path) -> list[dict]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def tfidf_hits(splits: dict[str, list[dict]]) -> np.ndarray:
    """Whether each prediction of the regression is correct, bool [test rows]; C has the lowest validation log loss."""
    texts = {split: [row["text"] for row in rows] for split, rows in splits.items()}
    labels = {split: [row["label"] for row in rows] for split, rows in splits.items()}

    def fit(c: float):
        vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
        return make_pipeline(vectorizer, LogisticRegression(C=c, max_iter=1000)).fit(texts["train"], labels["train"])

    def loss(model) -> float:
        return log_loss(labels["validation"], model.predict_proba(texts["validation"]), labels=model.classes_)

    best = min((fit(c) for c in CANDIDATES), key=loss)
    return best.predict(texts["test"]) == np.array(labels["test"])


def model_hits(seed: int, output_dir: Path, flags: list[str]) -> np.ndarray:
    """Whether each prediction of the fine-tuned model is correct, bool [test rows]."""
    fine_tune([PRESET, *flags, "--seed", str(seed), "--output_dir", str(output_dir), "--overwrite_output_dir"])
    return np.array([row["label"] == row["prediction"] for row in read(output_dir / "predictions.csv")])


def main() -> None:
    own, flags = parse()
    seeds = [int(seed) for seed in own.seeds.split(",")]
    splits = {split: read(ROOT / "data" / "reviews" / f"{split}.csv") for split in ("train", "validation", "test")}
    classical = tfidf_hits(splits)
    models = np.stack([model_hits(seed, own.output_dir / f"seed-{seed}", flags) for seed in seeds])

    print(f"\n{'':16s} {'rows':>5s} {'tf-idf':>7s} {'model':>7s}  per seed")
    phenomena = np.array([row["phenomenon"] for row in splits["test"]])
    for name in (*sorted(set(phenomena)), "all"):
        rows = np.ones(len(phenomena), bool) if name == "all" else phenomena == name
        per_seed = "  ".join(f"{hits[rows].mean():.3f}" for hits in models)
        print(f"{name:16s} {rows.sum():5d} {classical[rows].mean():7.3f} {models[:, rows].mean():7.3f}  {per_seed}")
    difference = models.mean(axis=0) - classical  # [test rows]
    interval = bootstrap((difference,), np.mean, method="percentile", rng=np.random.default_rng(0)).confidence_interval
    print(
        f"\nmodel minus tf-idf: {100 * difference.mean():+.1f} points of accuracy, "
        f"95% interval {100 * interval.low:+.1f} to {100 * interval.high:+.1f} ({len(seeds)} seeds)"
    )


if __name__ == "__main__":
    run_command(main)
