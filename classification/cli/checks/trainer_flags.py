"""Checks of the arguments that the Trainer gets."""

from __future__ import annotations

import json
import os
import shutil
import sys

from classification.cli.checks.trainer_table import ANY, USES
from classification.cli.flags import Flags, TrainerFlags
from classification.errors import UsageError, did_you_mean, join_first

CHECKPOINTING = ("activation_checkpointing_kwargs", "gradient_checkpointing_kwargs")
CHECKPOINTING_KEYS = {  # of torch.utils.checkpoint and of the library
    "use_reentrant", "preserve_rng_state", "determinism_check", "debug", "early_stop", "every_n_layers", "offload",
}  # fmt: skip
NEED_WORKERS = ("dataloader_persistent_workers", "dataloader_prefetch_factor", "dataloader_multiprocessing_context")
INSTEAD_OF_SHARDS = (
    "Leave it out. Several GPUs share the work with scripts/run_multi_gpu.sh; less memory is needed with "
    "--activation_checkpointing true, a smaller batch, or --lora_r 8"
)
REMEDIES = {name: INSTEAD_OF_SHARDS for name in ("fsdp", "fsdp_config", "deepspeed", "parallelism_config")}
LAUNCHER = {"ACCELERATE_USE_FSDP": "fsdp", "ACCELERATE_USE_DEEPSPEED": "deepspeed"}  # set by `accelerate launch`
BACKENDS = (
    "eager", "aot_eager", "inductor", "aot_ts_nvfuser", "nvprims_nvfuser", "cudagraphs", "ofi", "fx2trt", "onnxrt",
    "tensorrt", "aot_torchxla_trace_once", "torchxla_trace_once", "tvm", "hpu_backend", "neuron",
)  # fmt: skip
MODES = ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")
COMPILERS = {"darwin": "clang++", "win32": "cl"}


def check_trainer(flags: Flags) -> None:
    """No argument of the Trainer that would make the results wrong or break the run."""
    for check in (check_table, check_launcher, check_json, check_saving, check_best, check_loaders, check_compiler):
        check(flags)


def check_table(flags: Flags) -> None:
    """No value that `USES` refuses."""
    for name, use in USES.items():
        value = flags.trainer.get(name)
        is_refused = name in flags.given and value not in (None, "", []) if ANY in use.refused else value in use.refused
        if is_refused and use.refused:
            remedy = REMEDIES.get(name, "Leave it out")
            raise UsageError(f"--{name} {value}: is not supported: it {use.reason}. {remedy}.")


def check_launcher(flags: Flags) -> None:
    """The configuration of `accelerate launch` reaches the Trainer through variables."""
    for variable, name in LAUNCHER.items():
        if os.environ.get(variable, "false").lower() in ("1", "true", "yes"):
            raise UsageError(
                f"{variable}={os.environ[variable]}: --{name} is not supported: it {USES[name].reason}. Launch without "
                "it: bash scripts/run_multi_gpu.sh NUM_PROCESSES, or accelerate launch --multi_gpu."
            )
    backend = os.environ.get("ACCELERATE_DYNAMO_BACKEND", "no")
    if backend.lower() not in ("no", "") and not flags.trainer.is_on("torch_compile"):
        raise UsageError(
            f"ACCELERATE_DYNAMO_BACKEND={backend}: the model would be compiled, and this run does not count on it. "
            "Launch with --dynamo_backend no, and pass --torch_compile true to compile."
        )


def check_json(flags: Flags) -> None:
    """Arguments by name, and names that torch's checkpoints know. (The schedule checks its own.)"""
    for name in ("lr_scheduler_kwargs", *CHECKPOINTING):
        value = flags.trainer.get(name)
        if value is None:
            continue
        try:
            content = json.loads(str(value))
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise UsageError(f"--{name} {value}: must be a JSON object, such as '{{\"name\": 0.5}}'.")
        unknown = sorted(set(content) - CHECKPOINTING_KEYS) if name in CHECKPOINTING else []
        if unknown:
            hint = did_you_mean(unknown[0], CHECKPOINTING_KEYS)
            known = join_first(sorted(CHECKPOINTING_KEYS), 9)
            raise UsageError(f"--{name} {value}: there is no argument {unknown[0]!r}.{hint} Choose from {known}.")


def check_saving(flags: Flags) -> None:
    """Where a best checkpoint is chosen, it must have been saved when it was evaluated."""
    trainer = flags.trainer
    if not trainer["load_best_model_at_end"] or not flags.includes("train"):
        return
    off = "or pass --load_best_model_at_end false"
    evaluation, saving = trainer["eval_strategy"], trainer["save_strategy"]
    if evaluation == "no":
        raise UsageError("--load_best_model_at_end: needs evaluations to choose by. Leave out --eval_strategy no.")
    if saving not in (evaluation, "best"):
        raise UsageError(
            f"--save_strategy {saving} and --eval_strategy {evaluation}: the best checkpoint is one that is saved and "
            f"evaluated at the same step. Give both the same strategy, {off}."
        )
    if saving == evaluation == "steps":
        saves, every = steps_between(trainer)
        if (saves < 1) != (every < 1) or (every >= 1 and saves % every):
            raise UsageError(
                f"--save_steps {saves:g} and --eval_steps {every:g}: each saved checkpoint must be evaluated. Make "
                f"--save_steps a multiple of --eval_steps, {off}."
            )


def steps_between(trainer: TrainerFlags) -> tuple[float, float]:
    """Steps between two checkpoints, and between two evaluations, with the Trainer's defaults."""
    return trainer.number("save_steps", 500), trainer.number("eval_steps") or trainer.number("logging_steps")


def check_best(flags: Flags) -> None:
    """The right end of a loss. (`Schedule.check_best` counts the evaluations, for which it needs the data.)"""
    trainer = flags.trainer
    name = str(trainer["metric_for_best_model"])
    is_used = trainer["load_best_model_at_end"] and flags.includes("train")
    if is_used and trainer.get("greater_is_better") and name in ("eval_loss", "loss"):
        raise UsageError(
            "--greater_is_better True: the checkpoint with the highest val_loss is the worst. Leave it out."
        )


def check_loaders(flags: Flags) -> None:
    """Flags of worker processes need worker processes; without the flag the device decides about them."""
    workers = flags.trainer.get("dataloader_num_workers")
    for name in NEED_WORKERS:
        value = flags.trainer.get(name)
        if name in flags.given and value and not workers:
            raise UsageError(
                f"--{name} {value}: needs worker processes. Pass --dataloader_num_workers 1 too, or leave --{name} out."
            )


def check_compiler(flags: Flags) -> None:
    """torch.compile's backend and mode exist, and its own backend finds a C++ compiler. (aot_eager needs none.)"""
    trainer = flags.trainer
    for name, known in (("torch_compile_backend", BACKENDS), ("torch_compile_mode", MODES)):
        value = trainer.get(name)
        if value is not None and value not in known:
            hint = did_you_mean(str(value), known)
            raise UsageError(f"--{name} {value}: there is no such one. Choose from {join_first(known, 20)}.{hint}")
    wanted = [name for name in ("torch_compile", "torch_compile_backend", "torch_compile_mode") if trainer.get(name)]
    if not wanted or trainer.get("torch_compile_backend") not in (None, "inductor"):
        return
    compiler = os.environ.get("CXX") or COMPILERS.get(sys.platform, "g++")
    if shutil.which(compiler) is None:
        raise UsageError(
            f"--{wanted[0]} {trainer[wanted[0]]}: needs the C++ compiler {compiler}, which is not on the PATH. Install "
            "it (or name another one in the variable CXX), or leave the flag out."
        )


def notes_on_trainer(flags: Flags) -> list[str]:
    """One sentence for each given argument that has no effect."""
    notes = [
        f"--{name} has no effect: {use.reason}"
        for name, use in USES.items()
        if not use.has_effect and name in flags.given
    ]
    optim = flags.trainer.text("optim") or "adamw_torch_fused"
    if "optim_target_modules" in flags.given and not optim.startswith(("galore", "apollo")):
        notes.append(f"--optim_target_modules has no effect with --optim {optim}: galore and apollo read it")
    if "optim_args" in flags.given and optim in ("adamw_torch", "adamw_torch_fused", "adafactor"):
        notes.append(f"--optim_args has no effect with --optim {optim}: it has flags of its own, such as --adam_beta1")
    saves, every = steps_between(flags.trainer)
    if flags.trainer["load_best_model_at_end"] and flags.trainer["save_strategy"] == "steps" and saves != every:
        notes.append(
            f"--save_steps {saves:g} and --eval_steps {every:g}: every step that is the best so far is saved too"
        )
    return notes
