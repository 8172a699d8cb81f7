"""Convert Google's TensorFlow checkpoint of a BERT to a folder with safetensors and a tokenizer.

    python scripts/convert_tf_checkpoint.py multi_cased_L-12_H-768_A-12.zip multi_cased
    python run_classification.py --model_name_or_path multi_cased --train_file train.csv

reads the checkpoint with TensorFlow, which is installed once into an environment of its own. docs/models.md has more.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from classification.cli.command import run_command, start_command
from classification.cli.conversion_flags import read_conversion_flags

if __name__ == "__main__":  # before the imports below, which take seconds
    start_command(sys.argv[1:], read_conversion_flags)

from classification.conversion.checkpoint_conversion import ConversionChoice, convert
from classification.conversion.tf_environment import check_python, own_python
from classification.errors import Stopped
from classification.reporting.console import console
from classification.system.stop_signals import SIGNALS


def main(argv: list[str] | None = None) -> dict[str, object]:
    """Convert a checkpoint.

    Returns:
        `folder`, the number of variables that are `used`, and those `left_out` by reason.

    Raises:
        UsageError: bad input. RunError: TensorFlow cannot be installed or does not run, or the disk is full.
        Stopped: after SIGTERM; nothing is left behind.
    """
    flags = read_conversion_flags(sys.argv[1:] if argv is None else [str(word) for word in argv])
    choice = ConversionChoice(Path(flags.source), Path(flags.out), flags.lower_case, flags.checkpoint)
    with console(quiet=True), SIGNALS.handled():
        given = check_python(flags.python) if flags.python else None
        try:
            account = convert(choice, lambda: given or own_python(flags.cache_dir))
        except Stopped as stop:
            stop.message = "SIGTERM: stopped; nothing was written."
            raise
    return {"folder": flags.out, "used": len(account.used), "left_out": account.left_out}


if __name__ == "__main__":
    run_command(main)
