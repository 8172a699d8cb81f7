"""What each argument of `TrainingArguments` does in this recipe, one line per argument."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Use:
    """How an argument is used.

    Args:
        refused: values that would make the results wrong or break the run; `ANY` for each that is not the default.
        reason: of the refusal, or why the argument has no effect; completes the sentence "--flag: it ...".
        has_effect: False for an argument that the run ignores, which is noted where it is given.
        repeated: whether a resumed run must have the value of its checkpoint: `ALWAYS`, `WITH_BEST` where evaluations
            decide about the weights, or `NEVER`.
    """

    refused: tuple[object, ...] = ()
    reason: str = ""
    has_effect: bool = True
    repeated: str = "never"


ANY = "any value"
ALWAYS, WITH_BEST, NEVER = "always", "with best", "never"
TRAINER = Use()  # handed to the Trainer: does what its help says
OURS = Use()  # read by this recipe, which decides something more with it
TRAINS = Use(repeated=ALWAYS)  # handed to the Trainer, and decides the weights
CHOOSES = Use(repeated=WITH_BEST)  # decides which evaluations and checkpoints there are
SHARDED = "splits the weights over processes; the head, the loss and the fp32 pass over near ties need whole ones"
PER_BATCH = "keeps batches apart, while metrics here come from all rows at once"
CASTS = "casts the weights for good, the saved ones too; evaluation uses --precision"
KERNELS = "replaces kernels of decoders; encoders have none of them"


def refused(*values: object, reason: str) -> Use:
    return Use(values, reason)


def without_effect(reason: str) -> Use:
    return Use(reason=reason, has_effect=False)


USES = {
    "output_dir": OURS,
    "per_device_train_batch_size": TRAINS,
    "num_train_epochs": TRAINS,
    "max_steps": TRAINS,
    "learning_rate": TRAINS,
    "lr_scheduler_type": TRAINS,
    "lr_scheduler_kwargs": TRAINS,
    "warmup_steps": TRAINS,
    "optim": TRAINS,
    "optim_args": TRAINS,
    "weight_decay": TRAINS,
    "adam_beta1": TRAINS,
    "adam_beta2": TRAINS,
    "adam_epsilon": TRAINS,
    "optim_target_modules": TRAINS,
    "gradient_accumulation_steps": TRAINS,
    "average_tokens_across_devices": refused(False, reason="averages the means of processes instead of all rows"),
    "max_grad_norm": TRAINS,
    "label_smoothing_factor": TRAINS,  # our loss smooths; the Trainer's smoother is never called
    "bf16": OURS,  # as --precision bf16
    "fp16": OURS,
    "bf16_full_eval": refused(True, reason=CASTS),
    "fp16_full_eval": refused(True, reason=CASTS),
    "tf32": TRAINS,
    "activation_checkpointing": TRAINER,
    "activation_checkpointing_kwargs": TRAINER,
    "gradient_checkpointing": TRAINER,
    "gradient_checkpointing_kwargs": TRAINER,
    "torch_compile": TRAINS,
    "torch_compile_backend": TRAINS,
    "torch_compile_mode": TRAINS,
    "use_liger_kernel": refused(True, reason=KERNELS),
    "liger_kernel_config": refused(ANY, reason=KERNELS),
    "use_cache": TRAINER,
    "neftune_noise_alpha": TRAINS,
    "torch_empty_cache_steps": TRAINER,
    "auto_find_batch_size": without_effect("a step that does not fit into memory runs again in halves without it"),
    "logging_strategy": TRAINER,
    "logging_steps": TRAINER,
    "logging_first_step": TRAINER,
    "log_on_each_node": TRAINER,
    "logging_nan_inf_filter": TRAINER,
    "include_num_input_tokens_seen": TRAINER,
    "log_level": TRAINER,
    "log_level_replica": TRAINER,
    "disable_tqdm": OURS,
    "report_to": TRAINER,
    "run_name": TRAINER,
    "project": TRAINER,
    "trackio_space_id": TRAINER,
    "trackio_bucket_id": TRAINER,
    "trackio_static_space_id": TRAINER,
    "eval_strategy": TRAINS,  # an evaluation draws a random number
    "eval_steps": TRAINS,
    "eval_delay": TRAINS,
    "per_device_eval_batch_size": OURS,  # becomes a number of tokens, see TokenBoundedBatches
    "prediction_loss_only": refused(True, reason="leaves no predictions to score"),
    "eval_on_start": TRAINS,
    "eval_do_concat_batches": refused(False, reason=PER_BATCH),
    "eval_use_gather_object": TRAINER,
    "eval_accumulation_steps": TRAINER,
    "include_for_metrics": without_effect("the metrics here read logits and labels alone"),
    "batch_eval_metrics": refused(True, reason=PER_BATCH),
    "save_only_model": TRAINER,
    "save_strategy": CHOOSES,
    "save_steps": CHOOSES,
    "save_on_each_node": TRAINER,
    "save_total_limit": TRAINER,
    "enable_jit_checkpoint": without_effect("a run saves a checkpoint at SIGTERM and Ctrl-C without it"),
    "push_to_hub": OURS,
    "hub_token": OURS,
    "hub_private_repo": OURS,
    "hub_model_id": OURS,
    "hub_strategy": OURS,
    "hub_always_push": OURS,
    "hub_revision": OURS,
    "load_best_model_at_end": TRAINS,
    "metric_for_best_model": CHOOSES,  # val_loss and eval_loss are one
    "greater_is_better": CHOOSES,
    "ignore_data_skip": TRAINS,
    "restore_callback_states_from_checkpoint": OURS,
    "full_determinism": TRAINS,
    "seed": TRAINS,
    "data_seed": TRAINS,  # seeds our own order of the rows
    "use_cpu": OURS,
    "accelerator_config": refused(ANY, reason="cuts batches into steps and processes, which the loss relies on"),
    "parallelism_config": refused(ANY, reason=SHARDED),
    "dataloader_drop_last": refused(True, reason="drops rows, of evaluation too"),
    "dataloader_num_workers": OURS,
    "dataloader_pin_memory": OURS,
    "dataloader_persistent_workers": OURS,
    "dataloader_prefetch_factor": OURS,
    "dataloader_multiprocessing_context": TRAINER,
    "dataloader_in_order": refused(False, reason="shuffles the batches of evaluation: predictions of other rows"),
    "remove_unused_columns": TRAINER,
    "label_names": without_effect("the label column is --label_column_name"),
    "train_sampling_strategy": TRAINS,
    "length_column_name": without_effect("rows are grouped by the number of tokens that the model reads"),
    "ddp_find_unused_parameters": TRAINER,
    "ddp_bucket_cap_mb": TRAINER,
    "ddp_broadcast_buffers": TRAINER,
    "ddp_static_graph": TRAINER,
    "ddp_backend": TRAINER,
    "ddp_timeout": TRAINER,
    "fsdp": refused(ANY, reason=SHARDED),
    "fsdp_config": refused(ANY, reason=SHARDED),
    "deepspeed": refused(ANY, reason=SHARDED),
    "debug": refused(ANY, reason="is a check of the Trainer that fails on boolean masks"),  # alone: our tracebacks
    "skip_memory_metrics": TRAINER,
    "do_train": OURS,
    "do_eval": OURS,
    "do_predict": OURS,
    "resume_from_checkpoint": OURS,  # as --resume
    "local_rank": without_effect("torchrun and accelerate set the variable LOCAL_RANK"),
}


def repeated_arguments(*, with_best: bool) -> list[str]:
    """The names of the arguments whose values a resumed run must repeat.

    Args:
        with_best: whether evaluations decide about the weights.
    """
    kinds = (ALWAYS, WITH_BEST) if with_best else (ALWAYS,)
    return [name for name, use in USES.items() if use.repeated in kinds]
