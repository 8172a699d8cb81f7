"""Each argument of the Trainer works, is refused, or is said to have no effect."""

from __future__ import annotations

from dataclasses import fields

import pytest
from accelerate.utils import DynamoBackend
from helpers import assert_refused
from transformers import TrainingArguments

from classification.cli.checks import trainer_flags
from classification.cli.checks.trainer_flags import BACKENDS
from classification.cli.checks.trainer_table import USES
from classification.cli.parser import checked_flags, parse_arguments

BAD_FLAGS = {  # flags beside a good command line -> words of the message
    "rows left out": ({"dataloader_drop_last": True}, ["--dataloader_drop_last", "rows"]),
    "batches in another order": ({"dataloader_in_order": False}, ["--dataloader_in_order False", "other rows"]),
    "means of processes": ({"average_tokens_across_devices": False}, ["--average_tokens_across_devices False"]),
    "stopping by nothing": ({"early_stopping_patience": 1, "eval_strategy": "no"},
                            ["--early_stopping_patience 1", "--eval_strategy no"]),
    "best of no evaluations": ({"eval_strategy": "no", "load_best_model_at_end": True}, ["--load_best_model_at_end"]),
    "the worst checkpoint": ({"greater_is_better": True}, ["--greater_is_better True", "val_loss", "Leave it out"]),
    "saved at other times": ({"save_strategy": "steps"},
                             ["--save_strategy steps and --eval_strategy epoch", "load_best_model_at_end false"]),
    "never saved": ({"save_strategy": "no"}, ["--save_strategy no and --eval_strategy epoch"]),
    "not evaluated": ({"eval_strategy": "steps", "save_strategy": "steps", "eval_steps": 2, "save_steps": 3},
                      ["--save_steps 3 and --eval_steps 2", "multiple"]),
    "sharded": ({"fsdp": "full_shard"}, ["--fsdp full_shard", "run_multi_gpu.sh", "--lora_r 8"]),
    "a configuration of shards": ({"fsdp_config": '{"min_num_params": 1}'}, ["--fsdp_config", "not supported"]),
    "deepspeed": ({"deepspeed": "ds.json"}, ["--deepspeed ds.json", "not supported", "activation_checkpointing"]),
    "batches cut by accelerate": ({"accelerator_config": '{"split_batches": true}'}, ["--accelerator_config"]),
    "kernels of decoders": ({"use_liger_kernel": True}, ["--use_liger_kernel True", "decoders"]),
    "the library's debugging": ({"debug": "underflow_overflow"}, ["--debug underflow_overflow", "not supported"]),
    "a compiler's name": ({"torch_compile_backend": "induktor"}, ["--torch_compile_backend", "'inductor'"]),
    "a compiler's mode": ({"torch_compile_mode": "fast"}, ["--torch_compile_mode fast", "max-autotune"]),
    "no JSON": ({"lr_scheduler_kwargs": "num_cycles=2"}, ["--lr_scheduler_kwargs num_cycles=2", "JSON object"]),
    "a JSON list": ({"lr_scheduler_kwargs": "[1]"}, ["--lr_scheduler_kwargs [1]", "JSON object"]),
    "an unknown argument": ({"activation_checkpointing_kwargs": '{"reentrant": true}'},
                            ["'reentrant'", "Did you mean 'use_reentrant'"]),
    "workers that are not there": ({"dataloader_persistent_workers": True}, ["--dataloader_num_workers 1"]),
    "no workers to start": ({"dataloader_multiprocessing_context": "spawn", "dataloader_num_workers": 0},
                            ["--dataloader_multiprocessing_context spawn", "--dataloader_num_workers 1"]),
    "no phase": ({"do_train": False}, ["--do_train false", "--do_eval --do_predict"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_FLAGS)
def test_bad_flags_are_refused(case, command):
    flags, words = BAD_FLAGS[case]
    assert_refused(words, parse_arguments, command(**flags))


def test_the_table_has_every_argument_of_the_trainer():
    """Arguments of other versions of transformers may be in it too."""
    missing = {field.name for field in fields(TrainingArguments) if field.init} - USES.keys()
    assert not missing


def test_the_backends_are_those_of_accelerate():
    assert {"no", *BACKENDS} >= {backend.value.lower() for backend in DynamoBackend}


@pytest.mark.parametrize("name", [name for name, use in USES.items() if not use.has_effect])
def test_an_argument_without_effect_is_noted(name, command):
    values = {"local_rank": 0, "auto_find_batch_size": True, "enable_jit_checkpoint": True}
    flags = checked_flags(command(**{name: values.get(name, "loss")}))
    assert [note for note in flags.notes if note.startswith(f"--{name} has no effect: {USES[name].reason}")]


@pytest.mark.parametrize(
    ("flags", "note"),
    [
        ({"optim_args": "rank=4"}, "--optim_args has no effect with --optim adamw_torch_fused"),
        ({"optim_target_modules": "all-linear"}, "--optim_target_modules has no effect with --optim"),
        ({"use_fast_tokenizer": False}, "--use_fast_tokenizer false has no effect"),
        ({"text_column_names": "text", "text_column_delimiter": " "}, "--text_column_delimiter ' ' has no effect"),
        ({"remove_splits": "unsupervised"}, "--remove_splits unsupervised has no effect"),
        ({"eval_strategy": "steps", "eval_steps": 2, "save_steps": 4}, "--save_steps 4 and --eval_steps 2"),
    ],
)
def test_a_flag_without_effect_is_noted(flags, note, command):
    assert [text for text in checked_flags(command(**flags)).notes if text.startswith(note)]
    assert not [text for text in checked_flags(command()).notes if text.startswith(note[:15])]


# ------------------------------------------------------------------------------------------------- the environment


def test_a_missing_compiler_is_found_before_training(command, monkeypatch):
    monkeypatch.setattr(trainer_flags.shutil, "which", lambda name: None)
    monkeypatch.setenv("CXX", "g++-99")
    words = ["--torch_compile True", "g++-99", "CXX"]
    assert_refused(words, checked_flags, command(torch_compile=True))
    assert checked_flags(command(torch_compile_backend="aot_eager"))


@pytest.mark.parametrize(
    ("variable", "value"),
    [("ACCELERATE_USE_FSDP", "true"), ("ACCELERATE_USE_DEEPSPEED", "true"), ("ACCELERATE_DYNAMO_BACKEND", "INDUCTOR")],
)
def test_a_launcher_that_changes_the_model_is_refused(variable, value, command, monkeypatch):
    monkeypatch.setenv(variable, value)
    assert_refused([f"{variable}={value}", "aunch with"], checked_flags, command())
    monkeypatch.setenv(variable, "no" if "DYNAMO" in variable else "false")
    assert checked_flags(command())


def test_the_precision_of_the_launcher_is_that_of_the_run(command, monkeypatch):
    """The Trainer would use it in spite of --precision."""
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    flags = checked_flags(command(precision=None))
    assert flags.run.precision == "bf16" and any("--mixed_precision bf16" in note for note in flags.notes)
    assert checked_flags(command(precision="bf16")).run.precision == "bf16"
    assert_refused(["=bf16 and --precision fp32", "--mixed_precision no"], checked_flags, command(precision="fp32"))
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "fp8")
    assert_refused(["=fp8 and --precision auto"], checked_flags, command(precision=None))
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    assert checked_flags(command(precision=None)).run.precision == "auto"
