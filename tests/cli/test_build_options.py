"""Every flag reaches the value that a stage of the work reads."""

from __future__ import annotations

import pytest

from classification.cli.parser import parse_arguments

HUB = {"train_file": None, "validation_file": None, "test_file": None, "dataset_name": "some/data"}
# Flag -> what is typed, the attribute of Options, its value; other flags that belong to it.
VALUES: dict[str, tuple] = {
    "dataset_name": ("some/data", "source.dataset_name", "some/data", HUB),
    "dataset_config_name": ("small", "source.dataset_config_name", "small", HUB),
    "train_split_name": ("a", "source.split_names.train", "a", HUB),
    "validation_split_name": ("b", "source.split_names.validation", "b", HUB),
    "test_split_name": ("c", "source.split_names.test", "c", HUB),
    "remove_splits": ("x, y", "source.remove_splits", ("x", "y")),
    "text_column_names": ("x,y", "columns.text", ("x", "y")),
    "text_column_delimiter": (" / ", "columns.delimiter", " / "),
    "label_column_name": ("stars", "columns.label", "stars"),
    "label_column_names": ("x,y", "columns.labels", ("x", "y")),
    "label_delimiter": ("|", "columns.label_delimiter", "|"),
    "id_column_name": ("key", "columns.id", "key"),
    "validation_group_column": ("user", "columns.group", "user"),
    "time_column": ("date", "columns.time", "date", {"validation_strategy": "time"}),
    "remove_columns": ("x,y", "columns.remove", ("x", "y")),
    "do_regression": ("false", "hints.do_regression", False),
    "on_bad_row": ("drop", "rows.on_bad_row", "drop"),
    "drop_duplicates": ("true", "rows.drop_duplicates", True),
    "drop_leaked": ("true", "rows.drop_leaked", True),
    "shuffle_train_dataset": ("true", "rows.shuffle", True),
    "max_train_samples": (5, "rows.limits.train", 5),
    "max_eval_samples": (6, "rows.limits.validation", 6),
    "max_predict_samples": (7, "rows.limits.test", 7),
    "shuffle_seed": (9, "split.seed", 9),
    "validation_fraction": (0.25, "split.fraction", 0.25),
    "validation_strategy": ("random", "split.strategy", "random"),
    "model_name_or_path": ("some/model", "model.name", "some/model"),
    "config_name": ("other", "model.config_name", "other"),
    "tokenizer_name": ("other", "model.tokenizer_name", "other"),
    "cache_dir": ("/cache", "model.hub.cache_dir", "/cache"),
    "model_revision": ("v2", "model.hub.revision", "v2"),
    "token": ("hf_x", "model.hub.token", "hf_x"),
    "trust_remote_code": ("true", "model.hub.trust_remote_code", True),
    "pooling": ("mean", "model.pooling", "mean"),
    "head_init": ("zero", "training.head_init", "zero"),
    "attention_dropout": (0.2, "model.attention_dropout", 0.2),
    "ignore_mismatched_sizes": ("true", "model.ignore_mismatched_sizes", True),
    "max_seq_length": (99, "model.max_length", 99),
    "truncation_strategy": ("tail", "model.truncation_strategy", "tail"),
    "window_stride": (8, "model.window_stride", 8, {"truncation_strategy": "window"}),
    "freeze": ("encoder", "model.freeze", "encoder"),
    "freeze_layers": (2, "model.freeze_layers", 2),
    "lora_r": (4, "model.lora_r", 4),
    "lora_merge": ("false", "model.lora_merge", False, {"lora_r": 4}),
    "preprocessing_num_workers": (2, "encoding.num_workers", 2),
    "overwrite_cache": ("true", "encoding.overwrite_cache", True),
    "pad_to_max_length": ("true", "encoding.pad_to_max_length", True),
    "class_weights": ("balanced", "loss.class_weights", "balanced"),
    "loss": ("focal", "loss.focal_gamma", 2.0),
    "focal_gamma": (3, "loss.focal_gamma", 3.0, {"loss": "focal"}),
    "sampler": ("balanced", "training.sampler", "balanced"),
    "early_stopping_patience": (2, "training.patience", 2),
    "average": ("last=3", "training.average.evaluations", 3),
    "tune_thresholds": ("per_label", "training.rule.tune_thresholds", "per_label"),
    "target_precision": ("a=0.9", "training.rule.target_precision", {"a": 0.9}),
    "target_recall": (0.9, "training.rule.target_recall", 0.9),
    "costs": ('{"a": {"b": 2}}', "training.rule.costs.rows", {"a": {"b": 2}}),
    "thresholds": (0.4, "training.rule.thresholds", 0.4),
    "precision": ("fp32", "run.precision", "fp32"),
    "check_data": ("true", "run.check_data", True),
    "suspect_labels": ("true", "run.suspect_labels", True),
    "strict": ("true", "run.strict", True),
    "dry_run": ("true", "run.dry_run", True),
    "resume": ("auto", "run.resume", "auto"),
    "overwrite_output_dir": ("true", "run.overwrite_output_dir", True),
    "logging_dir": ("tb", "run.logging_dir", "tb"),
    "baselines": ("nb_svm,lda", "run.baselines", ("nb_svm", "lda")),
    "seeds": ("1,2", "study.seeds", (1, 2)),
    "folds": (3, "study.folds", 3, {"validation_file": None}),
}


def read(value, path: str):
    """An attribute, or an entry of a mapping, at the end of a dotted path; None where there is no value on the way."""
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else getattr(value, name, None)
    return value


@pytest.mark.parametrize("flag", VALUES)
def test_a_flag_reaches_its_reader(flag, command):
    typed, path, expected, *others = VALUES[flag]
    assert read(parse_arguments(command(**(others[0] if others else {}) | {flag: typed})), path) == expected
    assert read(parse_arguments(command(**{flag: None})), path) != expected
