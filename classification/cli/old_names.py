"""Flag names that `TrainingArguments` has dropped and that tutorials still use."""

from __future__ import annotations

from transformers import TrainingArguments

from classification.errors import UsageError

OLD_NAMES = {
    "evaluation_strategy": "eval_strategy",
    "warmup_ratio": "warmup_steps",
    "no_cuda": "use_cpu",
}
# Two names of one flag: transformers 5.23 warns about the old one, 5.17 does not know the new one.
CHECKPOINTING = {"gradient_checkpointing": "activation_checkpointing"}
CHECKPOINTING |= {f"{old}_kwargs": f"{new}_kwargs" for old, new in CHECKPOINTING.items()}
if not hasattr(TrainingArguments, "activation_checkpointing"):
    CHECKPOINTING = {new: old for old, new in CHECKPOINTING.items()}
OLD_NAMES |= CHECKPOINTING


def translate(flags: list[str]) -> tuple[list[str], list[str]]:
    """The flags under their present names, and one note per translated name.

    Raises:
        UsageError: a `--warmup_ratio` outside 0 to 1.
    """
    translated: list[str] = []
    notes: list[str] = []
    words = list(flags)
    while words:
        name, equals, value = words.pop(0).partition("=")
        old = name[2:].replace("-", "_") if name.startswith("--") else ""
        if old == "group_by_length":
            if not equals and words and words[0].lower() in ("true", "false"):
                value = words.pop(0)
            strategy = "random" if value.lower() == "false" else "group_by_length"
            notes.append(f"--group_by_length is now --train_sampling_strategy {strategy}: translated")
            translated += ["--train_sampling_strategy", strategy]
            continue
        if old == "warmup_ratio":
            _check_ratio(value if equals else words[0] if words else "")
        if old in OLD_NAMES:
            notes.append(f"--{old} is now --{OLD_NAMES[old]}: translated")
            name = f"--{OLD_NAMES[old]}"
        if old == "logging_dir":
            notes.append("--logging_dir is now the variable TENSORBOARD_LOGGING_DIR: set for this run")
        translated.append(name + equals + value)
    return translated, notes


def _check_ratio(text: str) -> None:
    try:
        is_valid = 0 <= float(text) < 1
    except ValueError:
        is_valid = False
    if not is_valid:
        raise UsageError(f"--warmup_ratio {text}: must be a share of the steps, from 0 to below 1, such as 0.1.")
