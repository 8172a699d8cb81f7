"""The defaults of the Trainer's flags that are not those of `TrainingArguments`."""

from __future__ import annotations

from arguments import DEFAULT_OUTPUT_DIR

# For the reference run, for exactness, and so that nothing fails without a word.
TRAINER_DEFAULTS: dict[str, object] = {
    "output_dir": DEFAULT_OUTPUT_DIR,
    "learning_rate": 2e-5,
    "num_train_epochs": 3.0,
    "per_device_train_batch_size": 16,
    "per_device_eval_batch_size": 32,
    "warmup_steps": 0.1,
    "train_sampling_strategy": "group_by_length",
    "weight_decay": 0.01,
    "eval_strategy": "epoch",
    "save_strategy": "epoch",
    "save_total_limit": 2,
    "load_best_model_at_end": True,
    "metric_for_best_model": "val_loss",
    "logging_steps": 50,
    "logging_nan_inf_filter": False,
    "ddp_find_unused_parameters": False,
    "disable_tqdm": False,
}
