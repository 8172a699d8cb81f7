"""The space of `--search`: by default around the command's own values, or from a file whose every line is checked."""

from __future__ import annotations

import pytest
from helpers import assert_refused

from classification.cli.checks.trainer_table import ALWAYS, USES
from classification.cli.flag_table import load_flags
from classification.cli.parser import checked_flags, parse_arguments
from classification.cli.search_space import Choices, Range, value_of
from classification.cli.searched_flags import SEARCHED, space_of
from classification.errors import UsageError

pytest.importorskip("optuna")
# Arguments that decide the weights and are not searched: they cut the same rows into other evaluations, seed a run,
# or belong to the machine.
NOT_SEARCHED = {
    "optim_args", "optim_target_modules", "tf32", "torch_compile", "torch_compile_backend", "torch_compile_mode",
    "eval_strategy", "eval_steps", "eval_delay", "eval_on_start", "load_best_model_at_end", "ignore_data_skip",
    "full_determinism", "seed", "data_seed", "lr_scheduler_kwargs",
}  # fmt: skip


@pytest.fixture
def space(train, tmp_path):
    """A function that writes a file and returns the dimensions that a command reads from it."""

    def read(text: str, *more: str):
        (tmp_path / "space.yaml").write_text(text)
        flags = checked_flags([*train, "--search=5", f"--search_space={tmp_path / 'space.yaml'}", *more])
        return dict(space_of(flags).dimensions)

    return read


# ------------------------------------------------------------------------------------------------------------- default


def dimensions(*words: str) -> dict:
    return dict(space_of(checked_flags(list(words))).dimensions)


def test_the_default_space_is_around_the_values_of_the_command(train):
    found = dimensions(*train, "--search=5")
    assert found == {
        "learning_rate": Range(1e-5, 2e-4, is_log=True),
        "num_train_epochs": Range(2, 5),
        "per_device_train_batch_size": Choices((8, 16, 32)),
        "warmup_steps": Choices((0.0, 0.06, 0.1, 0.2)),
        "layerwise_lr_decay": Choices((None, 0.9)),
    }


@pytest.mark.parametrize(
    ("flags", "name", "expected"),
    [
        ({"learning_rate": 1e-3}, "learning_rate", Range(1e-5, 1e-3, is_log=True)),
        ({"num_train_epochs": 1}, "num_train_epochs", Range(1, 3)),
        ({"num_train_epochs": 0.3}, "num_train_epochs", Range(1, 3)),
        ({"max_steps": 100}, "num_train_epochs", None),
        ({"per_device_train_batch_size": 1}, "per_device_train_batch_size", Choices((1, 2))),
        ({"warmup_steps": 100}, "warmup_steps", None),
        ({"model_name_or_path": "bilstm"}, "learning_rate", Range(5e-4, 1e-2, is_log=True)),
        ({"model_name_or_path": "bilstm"}, "layerwise_lr_decay", None),
        ({"lora_r": 8, "learning_rate": 2e-4}, "learning_rate", Range(5e-5, 2e-3, is_log=True)),
        ({"lora_r": 8}, "layerwise_lr_decay", None),
        ({"freeze": "encoder"}, "layerwise_lr_decay", None),
    ],
)
def test_the_default_space_fits_the_preset(flags, name, expected, train, preset):
    assert dimensions(preset(**flags), *train, "--search=5").get(name) == expected


def test_a_typed_flag_leaves_the_space_and_one_of_a_preset_stays(train, preset):
    found = dimensions(preset(learning_rate=1e-4, num_train_epochs=2), *train, "--search=5", "--learning_rate=5e-5")
    assert "learning_rate" not in found and "num_train_epochs" in found


def test_an_old_name_is_typed_too(train):
    assert "warmup_steps" not in dimensions(*train, "--search=5", "--warmup_ratio=0.3")


def test_where_every_flag_was_typed_there_is_nothing_to_search(train):
    typed = ["--learning_rate=1e-4", "--num_train_epochs=2", "--per_device_train_batch_size=8", "--warmup_steps=0.1"]
    words = [*train, "--search=5", *typed, "--layerwise_lr_decay=0.9"]
    assert_refused(["--search 5", "were typed", "--search_space"], checked_flags, words)
    assert len(dimensions(*words[:-1])) == 1  # the remedy


def test_the_own_values_are_those_of_the_command_as_the_space_writes_them(train, preset):
    options = parse_arguments([preset(num_train_epochs=3, learning_rate=0.5), *train, "--search=5"])
    own = options.search.space.own_settings(options.search.flags)
    assert own["num_train_epochs"] == 3 and isinstance(own["num_train_epochs"], int) and own["learning_rate"] == 0.5
    assert own["layerwise_lr_decay"] is None and value_of(options.search.flags, "weight_decay") == 0.01


# ---------------------------------------------------------------------------------------------------------------- file


def test_a_file_has_choices_and_ranges_with_the_types_of_their_flags(space):
    found = space(
        "learning_rate: {low: 1e-5, high: 1e-4, log: true}\nnum-train-epochs: {low: 2, high: 4}\n"
        "per_device_train_batch_size: [8, 16]\nlayerwise_lr_decay: [null, 0.8]\nsampler: [random, balanced]\n"
        "weight_decay: {low: 0, high: 0.1}\nclass_weights: [null, balanced]\n"
    )
    assert found == {
        "learning_rate": Range(1e-5, 1e-4, is_log=True),
        "num_train_epochs": Range(2, 4),
        "per_device_train_batch_size": Choices((8, 16)),
        "layerwise_lr_decay": Choices((None, 0.8)),
        "sampler": Choices(("random", "balanced")),
        "weight_decay": Range(0.0, 0.1),
        "class_weights": Choices((None, "balanced")),
    }
    assert found["num_train_epochs"].is_whole and not found["weight_decay"].is_whole


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["lines of `flag: value`"]),
        ("- learning_rate", ["lines of `flag: value`"]),
        ("learning_rate: [1e-5, 1e-4", ["is not valid YAML"]),
        ("learning_rat: [1e-5, 1e-4]", ["there is no such flag", "Did you mean 'learning_rate'"]),
        ("seed: [1, 2]", ["seed", "cannot be searched", "Delete the line", "r_drop"]),
        ("validation_fraction: [0.1, 0.2]", ["cannot be searched"]),
        ("metric_for_best_model: [accuracy, loss]", ["cannot be searched"]),
        ("output_dir: [a, b]", ["cannot be searched"]),
        ("label_column_name: [a, b]", ["cannot be searched"]),
        ("max_train_samples: [100, 200]", ["cannot be searched"]),
        ("learning_rate: 1e-5", ["learning_rate", "1e-5", "write a list"]),
        ("learning_rate:", ["is empty", "write a list"]),
        ("learning_rate: [1e-5]", ["one value only", "--learning_rate"]),
        ("learning_rate: [1e-5, 1e-5]", ["one value only"]),
        ("learning_rate: [fast, slow]", ["fast", "float"]),
        ("learning_rate: [-1, 1e-5]", ["-1", "must be greater than 0"]),
        ("learning_rate: {low: 1e-5}", ["needs low and high"]),
        ("learning_rate: {min: 1e-5, max: 1e-4}", ["min", "a range has low, high and log"]),
        ("learning_rate: {low: 1e-4, high: 1e-5}", ["low must be below high", "0.0001", "1e-05"]),
        ("learning_rate: {low: 1e-5, high: 1e-4, log: maybe}", ["log: maybe", "true or false"]),
        ("weight_decay: {low: 0, high: 0.1, log: true}", ["low must be greater than 0"]),
        ("learning_rate: {low: 1e-5, high: inf}", ["numbers"]),
        ("sampler: {low: 1, high: 2}", ["sampler", "invalid choice"]),
        ("class_weights: {low: 1, high: 2}", ["a range needs numbers", "list"]),
        ("sampler: [random, even]", ["even", "balanced"]),
        ("learning_rate: [[1e-5], 1e-4]", ["single values"]),
        ("per_device_train_batch_size: [8, 1.5]", ["1.5", "int"]),
        ("learning_rate: [1e-5, 1e-4]\nlearning-rate: [1e-5, 1e-4]", ["twice"]),
        ("freeze_layers: [0, -2]", ["--freeze_layers -2", "at least 0"]),
    ],
)
def test_a_line_that_cannot_be_used_is_refused_before_anything_else(text, words, space):
    assert_refused(["--search_space", *words], space, text)


def test_a_flag_that_is_typed_and_in_the_file_is_refused_and_the_remedy_works(space):
    text = "learning_rate: [1e-5, 1e-4]\nnum_train_epochs: [1, 2]\n"
    assert_refused(["learning_rate", "5e-05", "typed too"], space, text, "--learning_rate=5e-5")
    assert list(space(text.partition("\n")[2], "--learning_rate=5e-5")) == ["num_train_epochs"]
    assert list(space(text)) == ["learning_rate", "num_train_epochs"]


def test_a_value_that_contradicts_another_flag_is_refused_with_both(space):
    assert_refused(["lora_r 8", "--freeze encoder"], space, "lora_r: [null, 8]", "--freeze=encoder")


def test_a_missing_file_and_one_without_search_are_refused(train, tmp_path):
    with pytest.raises(UsageError, match="--search_space .*none.yaml: there is no such file"):
        checked_flags([*train, "--search=5", f"--search_space={tmp_path / 'none.yaml'}"])
    with pytest.raises(UsageError, match="--search_space x.yaml: needs a number of trials, such as --search 20"):
        checked_flags([*train, "--search_space=x.yaml"])


def test_the_file_of_a_preset_is_beside_the_preset(train, preset, tmp_path):
    (tmp_path / "space.yaml").write_text("weight_decay: [0, 0.1]\n")
    assert list(dimensions(preset(search=4, search_space="space.yaml"), *train)) == ["weight_decay"]


def test_what_is_searched_decides_the_weights(train):
    known = {flag.dest for flag in load_flags()}
    assert set(SEARCHED) <= known
    trains = {name for name, use in USES.items() if use.repeated == ALWAYS}
    assert trains - set(SEARCHED) == NOT_SEARCHED
