"""Which part of long texts to read: the head, the tail, both ends, or all of it in windows; one file, one seed.

    python scripts/compare_truncation.py --train_file reviews.parquet [--lengths 128,256] [--strategies head,window]
        [flags of run_classification.py]

The validation set is split off train and is the same for all runs. The table shows for each strategy how many
validation texts are truncated, the share of tokens that the model does not read, accuracy and val_loss, and the CPU
seconds (of all threads) of training and evaluation.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from classification.cli.command import run_command, start_command
from classification.data.truncation import STRATEGIES


def parse() -> tuple[argparse.Namespace, list[str]]:
    """The flags of this script, and those of run_classification.py."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--lengths", default="128,256")
    parser.add_argument("--strategies", default=",".join(STRATEGIES))
    parser.add_argument("--output_dir", type=Path, default=ROOT / "outputs" / "truncation")
    return parser.parse_known_args()


if __name__ == "__main__":  # before the imports below, which take seconds
    start_command(parse()[1])

from run_classification import main as fine_tune


def main() -> None:
    own, flags = parse()
    lines = []
    for length in own.lengths.split(","):
        for strategy in own.strategies.split(","):
            folder = own.output_dir / f"{strategy}-{length}"
            start = time.process_time()
            result = fine_tune([
                *flags, "--max_seq_length", length, "--truncation_strategy", strategy, "--do_train", "--do_eval",
                "--eval_strategy", "no", "--save_strategy", "no", "--output_dir", str(folder), "--overwrite_output_dir",
            ])  # fmt: skip
            seconds = time.process_time() - start
            lines.append(
                f"{length:>6s}  {strategy:10s} {100 * result['eval_rows_cut']:8.1f}% "
                f"{100 * result['eval_tokens_not_read']:12.1f}% {result['eval_accuracy']:9.4f} "
                f"{result['eval_loss']:9.4f} {seconds:10.0f}"
            )
            print("\n" + lines[-1], flush=True)
    print("\ntokens  strategy   truncated      not read  accuracy  val_loss  CPU seconds")
    print("\n".join(lines))


if __name__ == "__main__":
    run_command(main)
