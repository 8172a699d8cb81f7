"""Memory of `predict.py` while it reads many rows, as a plot.

    python scripts/measure_prediction_memory.py --rows 1000000

A tiny model with random weights predicts short texts from a CSV file and from a Parquet file. Every tenth of a second
the resident memory of the process is read, with the number of rows whose part is written. The script prints how many
bytes the memory grows per row after the first 10,000 rows. It needs Linux.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import matplotlib
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import torch
import transformers

from classification.data.sources.row_batches import PART_ROWS

WORDS = [f"word{number}" for number in range(400)]
WORDS_PER_TEXT = 8
FIRST_ROWS = 10_000  # by then the libraries and the first part are in memory
AT_ONCE = 100_000  # rows that are written together
SECONDS = 0.1  # between two readings
FORMATS = ("csv", "parquet")


def save_model(folder: Path) -> None:
    """A BERT with one layer and a vocabulary of the words."""
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = transformers.BertTokenizer({word: i for i, word in enumerate([*specials, *WORDS])}, model_max_length=32)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=32,
    )  # fmt: skip
    transformers.BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def save_rows(file: Path, rows: int) -> None:
    """Texts of random words, with an id."""
    draw = np.random.default_rng(0)
    schema = pa.schema([("id", pa.int64()), ("text", pa.string())])
    csv = file.suffix == ".csv"
    with pyarrow.csv.CSVWriter(file, schema) if csv else pyarrow.parquet.ParquetWriter(file, schema) as writer:
        for first in range(0, rows, AT_ONCE):
            ids = range(first, min(first + AT_ONCE, rows))
            texts = [" ".join(words) for words in draw.choice(WORDS, size=(len(ids), WORDS_PER_TEXT))]
            writer.write_table(pa.table({"id": list(ids), "text": texts}, schema=schema))


def memory_of(process: int) -> int:
    """Resident bytes."""
    for line in Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS"):
            return 1024 * int(line.split()[1])
    return 0


def watch(model: Path, file: Path, output: Path) -> tuple[np.ndarray, np.ndarray]:
    """Rows whose part is written, and resident bytes, at each reading of one prediction."""
    words = [sys.executable, str(ROOT / "predict.py"), str(model), str(file), "-o", str(output), "--overwrite"]
    rows, bytes_used = [], []
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            parts = len(list(output.parent.glob(f"{output.name}.parts/part-*{output.suffix}")))
            used = memory_of(process.pid)
            if parts and used:
                rows.append(parts * PART_ROWS)
                bytes_used.append(used)
            time.sleep(SECONDS)
    if process.returncode:
        sys.exit(process.returncode)
    return np.array(rows), np.array(bytes_used)


def growth_per_row(rows: np.ndarray, used: np.ndarray) -> float:
    """Bytes per row: the slope of a line through the readings after the first rows."""
    late = rows > FIRST_ROWS
    return float(np.polyfit(rows[late], used[late], 1)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--output", type=Path, default=ROOT / "outputs" / "prediction_memory.svg", help="the plot")
    options = parser.parse_args()
    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 3.2), layout="constrained")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_model(folder / "model")
        for kind in FORMATS:
            file = folder / f"rows.{kind}"
            save_rows(file, options.rows)
            start = time.monotonic()
            rows, used = watch(folder / "model", file, folder / f"answers.{kind}")
            growth, seconds = growth_per_row(rows, used), time.monotonic() - start
            print(f"{kind}: {options.rows:,} rows in {seconds:.0f} s, {growth:.1f} bytes per row, "
                  f"at most {used.max() / 1e6:.0f} MB", flush=True)  # fmt: skip
            axes.plot(rows / 1e3, used / 1e6, label=f"{kind}: {growth:.1f} bytes per row")
    axes.set(xlabel="thousand rows", ylabel="resident memory, MB", ylim=(0, None))
    axes.legend(frameon=False)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.output)
    print(f"The plot is {options.output}")


if __name__ == "__main__":
    main()
