"""What follows from the flags that were given: one small rule after the other, each `Flags -> Flags`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

from classification.cli.checks.trainer_flags import notes_on_trainer
from classification.cli.flags import BILSTM, Flags, comma_separated
from classification.cli.hub_notes import hub_notes
from classification.errors import UsageError

BILSTM_DEFAULTS = {"learning_rate": 2e-3, "num_train_epochs": 3.0}
DEFAULT_SEED = 42


def merge_precision_flags(given: Mapping[str, object]) -> dict[str, object]:
    """`--precision` from `--precision`, `--bf16` and `--fp16`.

    Raises:
        UsageError: two of them contradict each other.
    """
    given = dict(given)
    wanted = [name for name in ("bf16", "fp16") if given.pop(name, False)]
    if given.get("precision"):
        wanted.append(str(given["precision"]))
    if len(set(wanted)) > 1:
        second = wanted[1] if wanted[1] == "fp16" else f"precision {wanted[1]}"
        raise UsageError(
            f"--{wanted[0]} and --{second} contradict each other. Pass one of --precision auto, bf16, fp16 or fp32."
        )
    return given | {"precision": wanted[0] if wanted else "auto"}


def resolve(flags: Flags) -> Flags:
    """The flags with everything that follows from others filled in."""
    for rule in RULES:
        flags = rule(flags)
    return flags


def name_the_best_metric(flags: Flags) -> Flags:
    """`val_loss` and `eval_loss` are one metric."""
    equals_val_loss = flags.trainer["metric_for_best_model"] in ("val_loss", "eval_val_loss")
    return set_trainer(flags, metric_for_best_model="eval_loss") if equals_val_loss else flags


def fill_in_seeds(flags: Flags) -> Flags:
    seed = flags.trainer.get("seed", DEFAULT_SEED)
    return set_trainer(flags, seed=seed, data_seed=flags.trainer.get("data_seed", seed))


def match_saving_to_evaluation(flags: Flags) -> Flags:
    """Checkpoints are saved when validation is evaluated; without evaluation there is no best checkpoint."""
    trainer, given = flags.trainer, flags.given
    if not flags.includes("train"):
        return set_trainer(flags, eval_strategy="no", load_best_model_at_end=False)
    if trainer["eval_strategy"] == "no" and "load_best_model_at_end" not in given:
        note = "--eval_strategy no: no best checkpoint is chosen, the last weights are kept"
        return add_note(set_trainer(flags, load_best_model_at_end=False), note)
    if "eval_strategy" not in given or "save_strategy" in given:
        return flags
    flags = set_trainer(flags, save_strategy=trainer["eval_strategy"])
    if trainer["eval_strategy"] != "steps":
        return flags
    return set_trainer(
        flags, save_steps=trainer.get("save_steps") or trainer.get("eval_steps") or trainer["logging_steps"]
    )


def accept_resume_from_checkpoint(flags: Flags) -> Flags:
    """`--resume_from_checkpoint` is `--resume`; true, as in the library's examples, means the last one."""
    checkpoint = flags.trainer.text("resume_from_checkpoint")
    trainer = flags.trainer.without({"resume_from_checkpoint"})
    if checkpoint.lower() == "false":
        return replace(flags, trainer=trainer)
    checkpoint = "auto" if checkpoint.lower() == "true" else checkpoint
    if not checkpoint:
        return flags
    return replace(flags, trainer=trainer, run=replace(flags.run, resume=flags.run.resume or checkpoint))


def refuse_no_phase(flags: Flags) -> Flags:
    """`--do_train false` alone must not mean "all phases", as no flag does.

    Raises:
        UsageError: phases are turned off, and none is turned on.
    """
    phases = ("do_train", "do_eval", "do_predict")
    off = [name for name in phases if name in flags.given and not flags.trainer.is_on(name)]
    if off and not any(flags.trainer.is_on(name) for name in phases):
        others = " ".join(f"--{name}" for name in phases if name not in off) or "--do_train"
        raise UsageError(f"--{off[0]} false: does not say what the run does instead. Pass {others}, or no --do_* flag.")
    return flags


def take_precision_of_launcher(flags: Flags) -> Flags:
    """`accelerate launch --mixed_precision X` is `--precision X`: the Trainer would take it over without a word.

    Raises:
        UsageError: the launcher and the flags contradict each other, or a format that this recipe does not have.
    """
    variable, precision = "ACCELERATE_MIXED_PRECISION", flags.run.precision
    launched = os.environ.get(variable, "").lower()
    if launched in ("", "no", precision):
        return flags
    taken: dict[str, Literal["bf16", "fp16"]] = {"bf16": "bf16", "fp16": "fp16"}
    if precision != "auto" or launched not in taken:
        raise UsageError(
            f"{variable}={launched} and --precision {precision} contradict each other. Launch with --mixed_precision "
            "no, and pass --precision bf16, fp16 or fp32."
        )
    note = f"accelerate launch --mixed_precision {launched}: taken as --precision {launched}"
    return add_note(replace(flags, run=replace(flags.run, precision=taken[launched])), note)


def expand_home(flags: Flags) -> Flags:
    """`~` in paths is the home folder."""

    def expanded(group, *names: str):
        paths = {name: getattr(group, name) for name in names}
        return replace(group, **{name: os.path.expanduser(path) for name, path in paths.items() if path})

    flags = set_trainer(flags, output_dir=os.path.expanduser(str(flags.trainer["output_dir"])))
    return replace(
        flags,
        data=expanded(flags.data, "train_file", "validation_file", "test_file", "dataset_name"),
        model=expanded(flags.model, "model_name_or_path", "config_name", "tokenizer_name", "cache_dir"),
        run=expanded(flags.run, "resume", "logging_dir", "search_space"),
    )


def set_bilstm_defaults(flags: Flags) -> Flags:
    """Random weights learn at a higher rate than pretrained ones."""
    if not flags.from_scratch:
        return flags
    defaults = {name: value for name, value in BILSTM_DEFAULTS.items() if name not in flags.given}
    values = "".join(f", --{name} {value:g}" for name, value in defaults.items())
    note = f"--model_name_or_path {BILSTM}: a bidirectional LSTM from random weights{values}"
    if os.path.isdir(BILSTM):
        note += f"; the folder of that name is not read (to read it, pass ./{BILSTM})"
    return add_note(set_trainer(flags, **defaults), note)


def keep_last_weights_of_folds(flags: Flags) -> Flags:
    """A fold's rows are scored, so they must not choose the checkpoint too."""
    if not flags.run.folds or {"load_best_model_at_end", "early_stopping_patience"} & flags.given:
        return flags
    flags = set_trainer(flags, load_best_model_at_end=False)
    if "save_total_limit" not in flags.given:
        flags = set_trainer(flags, save_total_limit=1)  # the last one, to continue a fold after a kill
    note = (
        "--folds: the last weights of each run are scored; choosing the epoch by the rows that are scored would give "
        "too good a result (--load_best_model_at_end true does it)"
    )
    return add_note(flags, note)


def restore_patience_on_resume(flags: Flags) -> Flags:
    """A resumed run keeps its count of evaluations without a better one."""
    if flags.objective.early_stopping_patience is None or "restore_callback_states_from_checkpoint" in flags.trainer:
        return flags
    return set_trainer(flags, restore_callback_states_from_checkpoint=True)


def note_flags_without_effect(flags: Flags) -> Flags:
    """What a flag would do elsewhere and does not do here."""
    notes = notes_on_trainer(flags)
    if not flags.model.use_fast_tokenizer:
        notes.append("--use_fast_tokenizer false has no effect: transformers 5 always uses the fast tokenizer")
    data = flags.data
    if data.text_column_delimiter is not None and len(comma_separated(data.text_column_names)) == 1:
        notes.append(f"--text_column_delimiter {data.text_column_delimiter!r} has no effect: there is one text column")
    if data.remove_splits and not data.dataset_name:
        notes.append(f"--remove_splits {data.remove_splits} has no effect: files have no splits")
    return replace(flags, notes=(*flags.notes, *notes))


def note_the_hub(flags: Flags) -> Flags:
    return replace(flags, notes=(*flags.notes, *hub_notes(flags)))


def read_all_splits_for_check_data(flags: Flags) -> Flags:
    """`--check_data` reads all that training would read."""
    phases = dict.fromkeys(("do_train", "do_eval", "do_predict"), False)
    return set_trainer(flags, **phases) if flags.run.check_data else flags


def set_trainer(flags: Flags, **values: object) -> Flags:
    return replace(flags, trainer=flags.trainer.replaced(**values))


def add_note(flags: Flags, note: str) -> Flags:
    return replace(flags, notes=(*flags.notes, note))


RULES: tuple[Callable[[Flags], Flags], ...] = (
    name_the_best_metric,
    fill_in_seeds,
    match_saving_to_evaluation,
    accept_resume_from_checkpoint,
    refuse_no_phase,
    take_precision_of_launcher,
    expand_home,
    set_bilstm_defaults,
    keep_last_weights_of_folds,
    restore_patience_on_resume,
    note_flags_without_effect,
    note_the_hub,
    read_all_splits_for_check_data,
)
