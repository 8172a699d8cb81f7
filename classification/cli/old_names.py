"""Flag names that `TrainingArguments` has dropped and that tutorials still use."""

from __future__ import annotations

import re
from collections.abc import Set

from classification.errors import UsageError

OLD_NAMES = {
    "evaluation_strategy": "eval_strategy",
    "warmup_ratio": "warmup_steps",
    "no_cuda": "use_cpu",
    "per_gpu_train_batch_size": "per_device_train_batch_size",
    "per_gpu_eval_batch_size": "per_device_eval_batch_size",
}
GONE = {  # dropped without a successor -> what to do
    "adafactor": "Pass --optim adafactor.",
    "dispatch_batches": "This recipe cuts the batches itself.",
    "fp16_backend": "Mixed precision is torch's own: --precision fp16.",
    "fp16_opt_level": "Mixed precision is torch's own: --precision fp16.",
    "fsdp_min_num_params": "The weights are not split over processes here.",
    "fsdp_transformer_layer_cls_to_wrap": "The weights are not split over processes here.",
    "half_precision_backend": "Mixed precision is torch's own: --precision bf16 or fp16.",
    "include_inputs_for_metrics": "The metrics here read logits and labels alone.",
    "include_tokens_per_second": "The speed is always printed.",
    "jit_mode_eval": "Pass --torch_compile true to compile the model.",
    "past_index": "Encoders have no past.",
    "push_to_hub_model_id": "Pass --hub_model_id.",
    "push_to_hub_organization": "Pass --hub_model_id OWNER/NAME.",
    "push_to_hub_token": "Pass --hub_token.",
    "ray_scope": "This recipe has no search by Ray.",
    "save_safetensors": "Weights are always saved as safetensors.",
    "sharded_ddp": "The weights are not split over processes here.",
    "split_batches": "This recipe cuts the batches itself.",
    "torchdynamo": "Pass --torch_compile true.",
    "tpu_num_cores": "This recipe has not been tried on a TPU.",
    "use_auth_token": "Pass --token, or log in with hf auth login.",
    "use_ipex": "Pass --precision bf16 on a CPU that has it.",
    "use_legacy_prediction_loop": "There is one loop of evaluation.",
    "use_mps_device": "An Apple GPU is used where there is one.",
}
DASHED = re.compile(r"-[^-\d.]")  # a value, such as the file -reviews.csv: no flag of this recipe has a single dash
# Two names of one flag: transformers 5.23 warns about the old one, 5.17 does not know the new one.
CHECKPOINTING = {"gradient_checkpointing": "activation_checkpointing"}
CHECKPOINTING |= {f"{old}_kwargs": f"{new}_kwargs" for old, new in CHECKPOINTING.items()}


def present_names(known: Set[str]) -> dict[str, str]:
    """Old name -> its present name, which is one of the `known` flags."""
    is_new = set(CHECKPOINTING.values()) <= known
    return OLD_NAMES | (CHECKPOINTING if is_new else {new: old for old, new in CHECKPOINTING.items()})


def translate(flags: list[str], known: Set[str]) -> tuple[list[str], list[str]]:
    """The flags under their present names, and one note per translated name.

    Args:
        known: names of all flags.

    Raises:
        UsageError: a `--warmup_ratio` outside 0 to 1, or a flag that has no present name.
    """
    translated: list[str] = []
    notes: list[str] = []
    words, present = list(flags), present_names(known)
    while words:
        name, equals, value = words.pop(0).partition("=")
        if name.startswith("--") and not equals and words and DASHED.match(words[0]):
            equals, value = "=", words.pop(0)  # argparse would take it for a flag
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
        if old in GONE and old not in known:
            raise UsageError(f"--{old} is a flag that TrainingArguments has dropped. {GONE[old]}")
        if old in present:
            notes.append(f"--{old} is now --{present[old]}: translated")
            name = f"--{present[old]}"
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
