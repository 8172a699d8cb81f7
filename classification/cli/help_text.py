"""What `--help` prints: the recipe's flags and the Trainer's most used ones; `--help all` prints every flag."""

from __future__ import annotations

from argparse import ArgumentParser, RawDescriptionHelpFormatter

from arguments import TrainerAdditions
from classification.cli.flag_table import OFF, Flag, load_flags
from classification.cli.trainer_defaults import TRAINER_DEFAULTS

USAGE = "run_classification.py [preset.yaml] [--flag value ...]"
DESCRIPTION = """Fine-tune a Hugging Face encoder on labelled text. Only the data must be given.

  python run_classification.py --train_file reviews.csv
  python run_classification.py --dataset_name imdb --output_dir out
  python run_classification.py presets/imdb.yaml --num_train_epochs 2

A true-or-false flag without a value means true.
"""
TRAINER = TrainerAdditions._argument_group_name
MOST_USED = {  # of the Trainer -> what it does here
    "output_dir": "Folder of the results.",
    "do_train": "Train. Default: without a --do_ flag, train, evaluate and predict.",
    "do_eval": "Evaluate on validation. Default: as for --do_train.",
    "do_predict": "Predict test. Default: as for --do_train.",
    "num_train_epochs": "Passes over the training rows.",
    "max_steps": "Stop after this many optimizer steps. Default: after num_train_epochs.",
    "learning_rate": "The highest learning rate.",
    "lr_scheduler_type": "How the learning rate changes.",
    "warmup_steps": "Steps in which the learning rate rises. Below 1: a share of all steps.",
    "weight_decay": "Weight decay, for weight matrices only.",
    "label_smoothing_factor": "Share of the target's probability that is spread over all labels.",
    "per_device_train_batch_size": "Rows per batch and device in training.",
    "per_device_eval_batch_size": "The same in evaluation, for rows of the full length.",
    "gradient_accumulation_steps": "Batches per optimizer step.",
    "activation_checkpointing": "Compute activations twice to save memory. Default: false.",
    "eval_strategy": "When to evaluate.",
    "metric_for_best_model": "The metric that chooses the checkpoint that is kept.",
    "seed": "Seed of the weights, dropout and the order of the rows.",
    "dataloader_num_workers": "Processes that prepare batches. Default: by the number of cores.",
    "report_to": "Where to log: tensorboard, wandb and others.",
    "use_cpu": "Run on the CPU even if there is a GPU.",
    "push_to_hub": "Push the model to the Hub.",
}
VALUES = {"str": "TEXT", "int": "INTEGER", "float": "NUMBER", "bool": "true|false"}
SHOWN_CHOICES = 6  # more are listed in the text
NAME_COLUMN = 30


def wants_help(argv: list[str]) -> bool:
    return any(word in ("-h", "--help") or word.startswith("--help=") for word in argv)


def help_text(argv: list[str]) -> str:
    """The answer to a command line with `--help`, or with `--help all`."""
    shows_all = "all" in argv or "--help=all" in argv
    flags = [flag for flag in load_flags() if flag.action != OFF]
    most_used = [flag for name in MOST_USED for flag in flags if flag.dest == name]
    rest = sum(flag.group == TRAINER for flag in flags) - len(most_used)
    end = f"{rest} more flags of transformers.TrainingArguments work too. --help all lists them."
    parser = ArgumentParser(
        usage=USAGE, description=DESCRIPTION, epilog=None if shows_all else end, add_help=False, allow_abbrev=False,
        formatter_class=lambda prog: RawDescriptionHelpFormatter(prog, max_help_position=NAME_COLUMN),
    )  # fmt: skip
    groups = {flag.group: parser.add_argument_group(flag.group) for flag in flags}
    shown = flags if shows_all else [flag for flag in flags if flag.group != TRAINER] + most_used
    for flag in shown:
        groups[flag.group].add_argument(
            flag.names[0], nargs=flag.nargs, metavar=value_word(flag), help=described(flag, in_full=shows_all)
        )
    return parser.format_help()


def value_word(flag: Flag) -> str:
    """What stands for the value of a flag: its choices, or a word for the type."""
    if flag.choices and len(flag.choices) <= SHOWN_CHOICES:
        return f"{{{','.join(map(str, flag.choices))}}}"
    return VALUES.get(str(flag.type), "TEXT")


def described(flag: Flag, *, in_full: bool) -> str:
    """The help of a flag and its default, unless the text names that; of the Trainer's, ours or the library's."""
    text = " ".join(flag.help.split())
    if flag.group == TRAINER and not in_full:
        text = MOST_USED[flag.dest]
    if flag.choices and len(flag.choices) > SHOWN_CHOICES:
        text += f" One of {', '.join(map(str, flag.choices))}."
    default = TRAINER_DEFAULTS.get(flag.dest, flag.default) if flag.group == TRAINER else flag.default
    if default in (None, "", []) or "Default:" in text:
        return text
    return f"{text} (default: {str(default).lower() if isinstance(default, bool) else default})"
