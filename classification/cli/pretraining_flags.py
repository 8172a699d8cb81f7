"""The command line of scripts/adapt_pretrain.py: flags of run_classification.py with the same meaning, and one more."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from dataclasses import dataclass, replace

from classification.cli.checks import check_flags
from classification.cli.flag_table import OFF, load_flags, trainer_flags
from classification.cli.flags import Flags, comma_separated
from classification.cli.help_text import MOST_USED, NAME_COLUMN, described, value_word, wants_help
from classification.cli.parser import read_flags
from classification.cli.typed_values import Parser
from classification.cli.typed_values import make_parser as flags_parser
from classification.errors import UsageError, did_you_mean
from classification.messages.streams import write_line

SPLITS = ("train", "validation", "test")
SHARE, DEFAULT_SHARE = "mlm_probability", 0.15
SHARE_HELP = f"Share of the tokens that are predicted (default: {DEFAULT_SHARE})"
DESCRIPTION = """Train an encoder to predict masked tokens of texts, before it is fine-tuned.

  python scripts/adapt_pretrain.py --model_name_or_path FOLDER --train_file train.csv,unlabelled.csv \\
      --test_file test.csv --output_dir out/adapted

--train_file, --validation_file and --test_file may name several files, comma separated. Labels are never read.
"""
USED = frozenset({  # flags of this recipe that mean the same here
    "train_file", "validation_file", "test_file", "text_column_names", "text_column_delimiter", "id_column_name",
    "on_bad_row", "validation_fraction", "max_train_samples", "max_eval_samples", "shuffle_seed", "max_seq_length",
    "preprocessing_num_workers", "overwrite_cache", "model_name_or_path", "tokenizer_name", "cache_dir",
    "model_revision", "token", "trust_remote_code", "attention_dropout", "config", "precision", "dry_run", "resume",
    "resume_anyway", "overwrite_output_dir", "inject_fault", "report_texts",
})  # fmt: skip
NOT_USED = {  # flags of the Trainer -> why not
    "do_eval": "the texts of validation are scored while it trains",
    "do_predict": "no labels are predicted",
    "label_smoothing_factor": "the loss is the plain cross entropy of the tokens",
    "report_to": "no tracker is connected",
    "push_to_hub": "nothing is pushed; fine-tune first",
    "train_sampling_strategy": "all blocks have the same length",
    "torch_compile": "this training has not been tried with compiled code",
}
HELP = {  # of flags that read texts only
    "train_file": "Files of texts, comma separated: CSV, TSV, JSON, JSONL, Parquet or Arrow.",
    "validation_file": "The same for validation. Default: split off train.",
    "test_file": "The same for test: its texts are left out of the others.",
    "on_bad_row": "What to do with rows without a text.",
    "validation_fraction": "Share of train that becomes validation. Default: 5%%, but at least min(200 texts, 20%%) "
    "and at most 1,000 texts.",
    "max_train_samples": "Train on a seeded sample of this many texts.",
    "max_seq_length": "Tokens of a block. Default: 256 or the model's limit.",
    "model_name_or_path": "Encoder on the Hub, or a local folder.",
}
LEARNING_RATE = 5e-5
LOSSES = ("eval_loss", "loss")


@dataclass(frozen=True)
class PretrainingFlags:
    """Checked flags.

    Args:
        flags: those of run_classification.py. files: split -> its files.
        share: of the tokens that are predicted.
    """

    flags: Flags
    files: dict[str, tuple[str, ...]]
    share: float


def read_pretraining_flags(argv: list[str]) -> PretrainingFlags:
    """The flags of a command line, checked; imports no library that takes long.

    Raises:
        UsageError: a flag that is wrong, unknown or without a meaning here; names the flag, the value and the remedy.
        SystemExit: after `--help`.
    """
    if wants_help(argv):
        write_line(help_text(shows_all="all" in argv or "--help=all" in argv).rstrip("\n"), sys.stdout)
        raise SystemExit(0)
    share, rest = read_share(argv)
    flags = read_flags(rest)
    refuse_others(flags)
    flags = fill_in(flags)
    files = {split: split_files(path) for split, path in flags.files.items()}
    longest = max(map(len, files.values()), default=1)
    for number in range(longest):  # the checks know one file per split
        train, validation, test = (
            names[min(number, len(names) - 1)] if (names := files.get(split)) else None for split in SPLITS
        )
        check_flags(
            replace(flags, data=replace(flags.data, train_file=train, validation_file=validation, test_file=test))
        )
    for split, names in files.items():
        repeated = next((name for name in names if names.count(name) > 1), None)
        if repeated:
            raise UsageError(f"--{split}_file {repeated}: is named twice. Name each file once.")
    return PretrainingFlags(replace(flags, argv=tuple(argv)), files, share)


def make_parser() -> Parser:
    """The parser of every flag of run_classification.py and of `--mlm_probability`."""
    return add_share(flags_parser())


def add_share(parser: Parser) -> Parser:
    parser.add_argument(f"--{SHARE}", f"--{SHARE.replace('_', '-')}", type=float, default=DEFAULT_SHARE)
    return parser


def read_share(argv: list[str]) -> tuple[float, list[str]]:
    """`--mlm_probability`, and the other words."""
    parser = Parser(prog="adapt_pretrain.py", add_help=False, allow_abbrev=False)
    try:
        known, rest = add_share(parser).parse_known_args(argv)
    except UsageError as error:
        problem = str(error).rpartition(": ")[2]
        raise UsageError(f"--{SHARE}: {problem} is no number. Pass one between 0 and 1, such as 0.15.") from error
    share = getattr(known, SHARE)
    if not 0 < share < 1:
        raise UsageError(f"--{SHARE} {share:g}: must be between 0 and 1, such as 0.15.")
    for word in rest:
        name = word.partition("=")[0].lstrip("-").replace("-", "_")
        if word.startswith("--mlm") or (word.startswith("--") and did_you_mean(name, [SHARE])):
            raise UsageError(f"{word.partition('=')[0]}: there is no such flag.{did_you_mean(name, [SHARE])}")
    return share, rest


def refuse_others(flags: Flags) -> None:
    """Refuse what has no meaning here, before anything else is said about it."""
    trainer = trainer_flags()
    for name in sorted(flags.given):
        value = flags.as_typed().get(name, flags.trainer.get(name))
        if name in NOT_USED and value not in (False, None, "none", ["none"], [], 0.0, "random"):
            raise UsageError(f"--{name} {value}: has no meaning here: {NOT_USED[name]}. Leave it out.")
        if name not in USED and name not in trainer and flags.as_typed().get(name) is not None:
            raise UsageError(
                f"--{name} {value}: belongs to run_classification.py, or has no meaning for texts without labels. "
                "Leave it out here."
            )
    best = flags.trainer.text("metric_for_best_model")
    if best not in LOSSES:
        raise UsageError(f"--metric_for_best_model {best}: the checkpoint is chosen by val_loss here. Leave it out.")
    if flags.data.train_file is None:
        raise UsageError("No texts: give --train_file FILE, or several files, comma separated.")


def fill_in(flags: Flags) -> Flags:
    """The defaults of this training: a higher learning rate, and an evaluation of the model as it was."""
    values: dict[str, object] = {"do_train": True, "eval_on_start": flags.trainer["eval_strategy"] != "no"}
    if "learning_rate" not in flags.given:
        values["learning_rate"] = LEARNING_RATE
    return replace(flags, trainer=flags.trainer.replaced(**values))


def split_files(text: str) -> tuple[str, ...]:
    """Comma-separated files; a name with a comma is one file if it exists."""
    if os.path.exists(text):
        return (text,)
    return tuple(os.path.expanduser(name) for name in comma_separated(text)) or (text,)


def help_text(*, shows_all: bool) -> str:
    """The answer to `--help`: the flags of this recipe that are used here, and those of the Trainer."""
    parser = ArgumentParser(
        usage="adapt_pretrain.py --train_file FILES [--flag value ...]", description=DESCRIPTION, add_help=False,
        formatter_class=lambda prog: RawDescriptionHelpFormatter(prog, max_help_position=NAME_COLUMN),
    )  # fmt: skip
    parser.add_argument(f"--{SHARE}", metavar="NUMBER", help=SHARE_HELP)
    for flag in (replace(flag, help=HELP.get(flag.dest, flag.help)) for flag in load_flags()):
        is_shown = flag.dest in USED or flag.dest in MOST_USED or (shows_all and flag.dest in trainer_flags())
        if is_shown and flag.action != OFF and flag.dest not in NOT_USED:
            in_full = shows_all or flag.dest not in MOST_USED
            parser.add_argument(
                flag.names[0], nargs=flag.nargs, metavar=value_word(flag), help=described(flag, in_full=in_full)
            )
    return parser.format_help()
