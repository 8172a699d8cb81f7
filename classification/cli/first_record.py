"""The flags of a run.json of the first version, which recorded the command and every value, not what was given."""

from __future__ import annotations

import json
from collections.abc import Mapping

from classification.cli.flag_table import OFF, load_flags, trainer_flags
from classification.cli.old_names import translate
from classification.cli.trainer_defaults import TRAINER_DEFAULTS
from classification.cli.typed_values import given_values, make_parser
from classification.errors import UsageError

DECIDED = {  # by the machine or from other flags
    "bf16", "fp16", "tf32", "bf16_full_eval", "fp16_full_eval", "dataloader_num_workers", "dataloader_pin_memory",
    "dataloader_persistent_workers", "dataloader_prefetch_factor", "accelerator_config", "ddp_backend", "local_rank",
    "do_train", "do_eval", "do_predict", "debug", "use_cpu", "report_to", "greater_is_better", "hub_token",
    "restore_callback_states_from_checkpoint", "gradient_checkpointing", "gradient_checkpointing_kwargs",
}  # fmt: skip


def flags_of_first_record(content: Mapping[str, object], place: str) -> dict[str, object]:
    """The flags that were given: the words of the command, below them what a preset may have changed.

    Raises:
        UsageError: the record has no command, or arguments that are no mapping.
    """
    command, arguments = content.get("command"), content.get("arguments")
    is_command = isinstance(command, list) and command and all(isinstance(word, str) for word in command)
    if not is_command or not isinstance(arguments, dict):
        raise UsageError(
            f"{place}: is damaged, it lacks the command or the arguments. Take it from a copy, or pass the flags."
        )
    words = [str(word) for word in command[1:]]  # type: ignore[index]
    first = words[0] if words and not words[0].startswith("-") else None
    known = {flag.dest for flag in load_flags()}
    typed = given_values(make_parser(), translate(words[1:] if first else words, known)[0], f"{place}: ")
    if not (typed.pop("config", None) or first):
        return typed
    return changed(arguments, results=content.get("results")) | typed


def changed(arguments: Mapping[str, object], results: object) -> dict[str, object]:
    """The values that differ from the defaults. A preset's content was not recorded, but its values were."""
    defaults = {flag.dest: flag.default for flag in load_flags() if flag.action != OFF} | TRAINER_DEFAULTS
    trainer = arguments.get("trainer")
    trainer = (
        {name: value for name, value in trainer.items() if name in trainer_flags()} if isinstance(trainer, dict) else {}
    )
    values = {
        name: value for name, value in {**arguments, **trainer}.items() if name in defaults and name not in DECIDED
    }
    if values.get("data_seed") == values.get("seed"):
        values.pop("data_seed", None)  # with --seeds, a data_seed that is given would stay the same for all
    given = {name: value for name, value in values.items() if value not in (None, [], {}, defaults[name])}
    if given.get("metric_for_best_model") == "eval_loss":
        del given["metric_for_best_model"]  # the default under another name
    return {name: json.dumps(value) if isinstance(value, dict) else value for name, value in given.items()} | phases(
        results
    )


def phases(results: object) -> dict[str, object]:
    """The phases of a run that did not train, by what it found."""
    found = results if isinstance(results, dict) else {}
    if not found or any(str(name).startswith(("train_", "runs")) for name in found):
        return {}
    names = {"do_eval": "eval_", "do_predict": "test_"}
    return {flag: True for flag, start in names.items() if any(str(name).startswith(start) for name in found)}
