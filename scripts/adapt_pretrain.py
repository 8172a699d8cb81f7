"""Train an encoder on unlabelled text first: masked-language-model training on the task's own and unlabelled texts.

    python scripts/adapt_pretrain.py --model_name_or_path FOLDER --train_file train.csv,unlabelled.csv \
        --test_file test.csv --output_dir out/adapted
    python run_classification.py --model_name_or_path out/adapted --train_file train.csv --test_file test.csv

takes flags of run_classification.py, those of the Trainer and `--mlm_probability`. Texts of test and repeats are left
out. Labels are never read.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from classification.cli.command import run_command, start_command
from classification.cli.pretraining_flags import make_parser, read_pretraining_flags

if __name__ == "__main__":  # before the imports below, which take seconds
    start_command(sys.argv[1:], read_pretraining_flags)

from classification.experiments import adapt_encoder

__all__ = ["main", "make_parser"]


def main(argv: list[str] | None = None) -> dict[str, object]:
    """Train, and save an encoder that run_classification.py loads.

    Returns:
        The losses before and after, and the number of steps.
    """
    return adapt_encoder.main(sys.argv[1:] if argv is None else [str(word) for word in argv])


if __name__ == "__main__":
    run_command(main)
