"""Which method helps a rare class: none, class weights, focal loss or balanced sampling; single-label tasks.

    python scripts/compare_imbalance.py --train_file messages.parquet [--text_column_names NAME]
        [--label_column_name NAME] [--seeds 1,2,3] [flags of run_classification.py]

Repeated texts are dropped before the split. A fifth of the other rows, drawn by class, is the test set of all runs. The
table shows the mean and the standard deviation over the seeds.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from statistics import mean, stdev

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from classification.cli.command import run_command, start_command


def parse() -> tuple[argparse.Namespace, list[str]]:
    """The flags of this script, and those of run_classification.py."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--train_file", required=True)
    parser.add_argument("--text_column_names", help="one column; rows with equal text are repeats")
    parser.add_argument("--label_column_name")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--output_dir", type=Path, default=ROOT / "outputs" / "imbalance")
    return parser.parse_known_args()


if __name__ == "__main__":  # before the imports below, which take seconds
    own, flags = parse()
    start_command([*flags, "--train_file", own.train_file, "--seeds", own.seeds])

from pyarrow import Table, parquet

from classification.data.column_names import Columns
from classification.data.columns import standardise_columns
from classification.data.corpus import Source
from classification.data.seeded_order import draw_rows
from classification.data.sources.readers import read_splits
from classification.reporting.console import console
from run_classification import main as fine_tune

METHODS = {
    "none": [],
    "class weights, balanced": ["--class_weights", "balanced"],
    "class weights, effective": ["--class_weights", "effective"],
    "focal loss": ["--loss", "focal"],
    "balanced sampler": ["--sampler", "balanced"],
}
TEST_SHARE = 0.2


def write_splits(path: str, columns: Columns, folder: Path) -> tuple[list[str], str]:
    """Write train and test without repeats.

    Returns:
        The flags that read the two files, and the name of the rarest class.
    """
    with console(quiet=True):
        splits, *_ = standardise_columns(read_splits(Source(files={"train": path})), columns)
    texts, labels = splits["train"]["text"], splits["train"]["label"]
    by_text = {text: {"text": text, "label": str(label)} for text, label in zip(texts, labels, strict=True)}
    rows = list(by_text.values())
    classes = [row["label"] for row in rows]
    test = set(draw_rows([row["text"] for row in rows], classes, round(TEST_SHARE * len(rows)), seed=0))
    print(f"{len(texts)} rows, {len(rows)} without repeats, {len(test)} of them for test")
    folder.mkdir(parents=True, exist_ok=True)
    flags = []
    for name in ("train", "test"):
        chosen = [row for index, row in enumerate(rows) if (index in test) == (name == "test")]
        parquet.write_table(Table.from_pylist(chosen), folder / f"{name}.parquet")
        flags += [f"--{name}_file", str(folder / f"{name}.parquet")]
    return flags, min(set(classes), key=classes.count)


def main() -> None:
    own, flags = parse()
    columns = Columns(text=(own.text_column_names,) if own.text_column_names else (), label=own.label_column_name)
    files, rare = write_splits(own.train_file, columns, own.output_dir / "data")
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
    print(f"\n{'test (but val_loss)':26s}" + "".join(f"  {head[:14]:>14s}" for head in heads))
    print("\n".join(lines))


if __name__ == "__main__":
    run_command(main)
