"""A run that resumes must be the run of its checkpoint; what decides its weights is compared, and nothing else."""

from __future__ import annotations

import json

import pytest
from corpus import make_rows, write_csv
from helpers import command_line, make_bert, make_tokenizer

from classification.cli.checks.trainer_table import USES
from classification.cli.parser import parse_arguments
from classification.reporting.run_lock import folders_unlocked
from classification.training.resume_guard import differences
from run_classification import prepare

LABELS = ("negative", "positive")


@pytest.fixture(scope="session")
def fingerprint(tiny_model, shared_files, tmp_path_factory):
    """A function: the fingerprint of the `command` of its keywords. Nothing is trained."""
    folder, known = tmp_path_factory.mktemp("fingerprints") / "out", {}

    def of(**flags) -> dict:
        key = str(sorted(flags.items()))
        if key not in known:
            standard = {"model_name_or_path": tiny_model, **shared_files, "output_dir": str(folder), "dry_run": True}
            with folders_unlocked():
                prepared = prepare(parse_arguments(command_line(standard, flags)))
            known[key] = json.loads(json.dumps(prepared.trainer.facts["fingerprint"]))
        return known[key]

    return of


GUARDED = {  # flag -> its value in the run that resumes, and all names that the error then has
    "num_train_epochs": (2, {"--num_train_epochs"}),
    "max_steps": (5, {"--max_steps"}),
    "per_device_train_batch_size": (4, {"--per_device_train_batch_size"}),
    "gradient_accumulation_steps": (2, {"--gradient_accumulation_steps"}),
    "learning_rate": (1e-9, {"--learning_rate"}),
    "lr_scheduler_type": ("cosine", {"--lr_scheduler_type"}),
    "warmup_steps": (3, {"--warmup_steps"}),
    "optim": ("sgd", {"--optim"}),
    "weight_decay": (0.5, {"--weight_decay"}),
    "adam_beta1": (0.8, {"--adam_beta1"}),
    "adam_epsilon": (1e-6, {"--adam_epsilon"}),
    "max_grad_norm": (0.5, {"--max_grad_norm"}),
    "label_smoothing_factor": (0.1, {"--label_smoothing_factor"}),
    "layerwise_lr_decay": (0.9, {"--layerwise_lr_decay"}),
    "neftune_noise_alpha": (5, {"--neftune_noise_alpha"}),
    "seed": (7, {"--seed", "--data_seed"}),
    "data_seed": (7, {"--data_seed"}),
    "train_sampling_strategy": ("random", {"--train_sampling_strategy"}),
    "load_best_model_at_end": (False, {"--load_best_model_at_end"}),
    "metric_for_best_model": ("accuracy", {"--metric_for_best_model", "--greater_is_better"}),
    "full_determinism": (True, {"--full_determinism"}),
    "eval_on_start": (True, {"--eval_on_start"}),
    "eval_delay": (1, {"--eval_delay"}),
    "max_seq_length": (8, {"--max_seq_length"}),
    "truncation_strategy": ("tail", {"--truncation_strategy", "tokenizer"}),
    "pad_to_max_length": (True, {"--pad_to_max_length"}),
    "class_weights": ('{"negative": 1, "positive": 3}', {"--class_weights"}),
    "loss": ("focal", {"--loss"}),
    "sampler": ("balanced", {"--sampler"}),
    "head_init": ("zero", {"--head_init"}),
    "attention_dropout": (0.3, {"dropout"}),
    "freeze": ("encoder", {"trainable parameters"}),
    "lora_r": (2, {"--lora_r", "--model_name_or_path", "parameters", "trainable parameters"}),
    "pooling": ("mean", {"--pooling", "--model_name_or_path", "architecture", "parameters", "trainable parameters",
                         "model config", "dropout"}),
    "precision": ("bf16", {"--precision"}),
    "max_train_samples": (40, {"train rows"}),
    "max_eval_samples": (10, {"validation rows"}),
}  # fmt: skip
FREE = {
    "save_total_limit": 1, "logging_steps": 3, "per_device_eval_batch_size": 4, "dataloader_num_workers": 1,
    "max_predict_samples": 5, "run_name": "again", "logging_strategy": "no", "save_only_model": True,
    "early_stopping_patience": None, "csv_safe": True, "metric_name": "f1_macro", "check_rows": 0,
}  # fmt: skip


@pytest.mark.parametrize("flag", GUARDED)
def test_a_value_that_decides_the_weights_is_compared(fingerprint, flag):
    value, names = GUARDED[flag]
    found = differences(fingerprint(), fingerprint(**{flag: value}))
    assert {each.name.split(" (")[0] for each in found} - {"attention"} == names
    if f"--{flag}" in names and flag not in ("loss", "class_weights"):
        one = next(each for each in found if each.name == f"--{flag}")
        assert one.new == value and str(value).lower() in str(one) and one.old != value


def test_a_second_pass_is_compared(fingerprint):
    flags = {"attention_dropout": 0.1}  # two passes need some dropout
    found = differences(fingerprint(**flags), fingerprint(**flags, r_drop=0.5))
    assert list(map(str, found)) == ["--r_drop: the checkpoint was trained with nothing, this run has 0.5"]


@pytest.mark.parametrize("flag", FREE)
def test_a_value_that_decides_no_weight_may_change(fingerprint, flag):
    assert fingerprint(**{flag: FREE[flag]}) == fingerprint()


@pytest.mark.parametrize(
    "flags", [{"eval_strategy": "steps", "eval_steps": 2}, {"eval_strategy": "steps", "eval_steps": 4}]
)
def test_when_evaluations_happen_is_compared(fingerprint, flags):
    """Each draws a random number, also where it chooses no checkpoint; a save draws none."""
    steps = {"eval_strategy": "steps", "eval_steps": 8}
    names = {each.name for each in differences(fingerprint(**steps), fingerprint(**steps | flags))}
    assert names == {"--eval_steps", "--save_steps"}
    last = {"load_best_model_at_end": False}
    found = differences(fingerprint(**last, **steps), fingerprint(**last, **steps | flags))
    assert {each.name for each in found} == {"--eval_steps"}


def test_what_chooses_between_the_average_and_the_last_step_is_compared(fingerprint):
    last, other = {"load_best_model_at_end": False}, {"metric_for_best_model": "accuracy"}
    assert not differences(fingerprint(**last), fingerprint(**last, **other))
    average = last | {"average": "ema=0.5"}
    found = differences(fingerprint(**average), fingerprint(**average, **other))
    assert {each.name for each in found} == {"--metric_for_best_model", "--greater_is_better"}
    assert not differences(fingerprint(**average), fingerprint(**average, save_steps=3))  # a save chooses nothing


def test_an_early_stop_is_compared(fingerprint):
    patient = {"early_stopping_patience": 1, "num_train_epochs": 4}
    found = differences(fingerprint(**patient), fingerprint(**patient | {"early_stopping_patience": 2}))
    assert [str(each) for each in found] == [
        "--early_stopping_patience: the checkpoint was trained with 1, this run has 2"
    ]
    found = differences(fingerprint(**patient), fingerprint(**patient, restore_callback_states_from_checkpoint=False))
    assert [each.name for each in found] == ["--restore_callback_states_from_checkpoint"]


def test_other_rows_labels_models_and_tokenizers_are_found(fingerprint, tmp_path):
    def names(**flags):
        return {each.name for each in differences(fingerprint(), fingerprint(**flags))}

    same = write_csv(tmp_path / "same.csv", make_rows(64, 1))
    assert not names(train_file=same)  # the path of a file does not matter
    rows = make_rows(64, 1)
    rows[5], rows[6] = rows[6], rows[5]
    assert names(train_file=write_csv(tmp_path / "order.csv", rows)) == {"train rows"}
    splits = {f"{split}_file": write_csv(tmp_path / f"{split}.csv", make_rows(*size, labels=("no", "yes")))
              for split, size in {"train": (64, 1), "validation": (24, 2), "test": (24, 3)}.items()}  # fmt: skip
    assert names(**splits) == {"labels"}
    make_bert(initializer_range=0.04).bert.save_pretrained(tmp_path / "model")
    make_tokenizer().save_pretrained(tmp_path / "model")
    weights = "--model_name_or_path (weights of the encoder)"
    assert names(model_name_or_path=tmp_path / "model") >= {weights}
    make_tokenizer(words=["new"]).save_pretrained(tmp_path / "tokenizer")
    assert names(tokenizer_name=tmp_path / "tokenizer") == {"tokenizer"}


def test_the_fingerprint_is_short_and_plain(fingerprint):
    values = fingerprint()
    assert all(
        isinstance(value, str | int | float | bool | None) and len(str(value)) < 200 for value in values.values()
    )
    assert values["labels"] == json.dumps(LABELS) and values["train rows"].startswith("64 rows (")


def test_every_argument_of_the_trainer_has_one_mark():
    assert {use.repeated for use in USES.values()} == {"always", "with best", "never"}
