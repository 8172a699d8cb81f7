"""What helps the rare class: nothing, class weights, focal loss or balanced draws, on one file with one label a row.

    python scripts/compare_imbalance.py --train_file messages.parquet [--text_column_names NAME]
        [--label_column_name NAME] [--seeds 1,2,3] [flags of run_classification.py]

Repeated texts are dropped before anything is split; a fifth of the rest, drawn by class, is the test set of all runs.
Prints the mean and the standard deviation over the seeds.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from statistics import mean, stdev

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from datasets import Dataset  # noqa: E402

from classification.data.columns import Columns  # noqa: E402
from classification.data.splitting import draw_rows  # noqa: E402
from data_utils import load_splits, read_splits  # noqa: E402
from run_classification import main as fine_tune  # noqa: E402

METHODS = {
    "nothing": [],
    "class weights, balanced": ["--class_weights", "balanced"],
    "class weights, effective": ["--class_weights", "effective"],
    "focal loss": ["--loss", "focal"],
    "balanced sampler": ["--sampler", "balanced"],
}
TEST_SHARE = 0.2


def split(path: str, columns: Columns, folder: Path) -> tuple[list[str], str]:
    """Write train and test without repeats; returns the flags that read them, and the name of the rarest class."""
    splits, _ = load_splits(read_splits(files={"train": path}), columns)
    rows = {text: {"text": text, "label": str(label)} for text, label in zip(
        splits["train"]["text"], splits["train"]["label"], strict=True)}  # fmt: skip
    rows = list(rows.values())
    labels = [row["label"] for row in rows]
    held_out = set(draw_rows([row["text"] for row in rows], labels, round(TEST_SHARE * len(rows)), seed=0))
    print(f"{len(splits['train'])} rows, {len(rows)} without repeats, {len(held_out)} of them for test")
    folder.mkdir(parents=True, exist_ok=True)
    flags = []
    for name in ("train", "test"):
        chosen = [row for place, row in enumerate(rows) if (place in held_out) == (name == "test")]
        Dataset.from_list(chosen).to_parquet(str(folder / f"{name}.parquet"))
        flags += [f"--{name}_file", str(folder / f"{name}.parquet")]
    return flags, min(set(labels), key=labels.count)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--train_file", required=True)
    parser.add_argument("--text_column_names", help="one column: repeats are found by it")
    parser.add_argument("--label_column_name")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--output_dir", type=Path, default=ROOT / "outputs" / "imbalance")
    own, flags = parser.parse_known_args()
    columns = Columns(text=(own.text_column_names,) if own.text_column_names else (), label=own.label_column_name)
    files, rare = split(own.train_file, columns, own.output_dir / "data")
    figures = ("eval_loss", "test_accuracy", "test_balanced_accuracy", "test_f1_macro", "test_average_precision")
    lines = []
    for name, method in METHODS.items():
        folder = str(own.output_dir / name.replace(", ", "-").replace(" ", "-"))
        study = ["--seeds", own.seeds, "--output_dir", folder, "--overwrite_output_dir"]
        result = fine_tune([*files, *flags, *method, *study])
        rows = [run["test_per_class"][rare] for run in result["runs"].values()]
        values = [(result[f"{key}_mean"], result[f"{key}_sd"]) for key in figures]
        values += [(mean(row[key] for row in rows), stdev(row[key] for row in rows)) for key in ("precision", "recall")]
        lines.append(f"{name:26s}" + "".join(f"  {m:6.3f} ±{sd:6.3f}" for m, sd in values))
    heads = ["val_loss", "accuracy", "balanced", "f1_macro", "avg. prec.", f"P({rare})", f"R({rare})"]
    print(f"\n{'on test but val_loss':26s}" + "".join(f"  {head[:14]:>14s}" for head in heads))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
