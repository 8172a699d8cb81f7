"""Two processes train the model that one process trains. One launch serves all tests."""

from __future__ import annotations

import pytest
from corpus import long_rows, make_rows, write_csv
from helpers import SGD, assert_epochs_agree, largest_difference, read_predictions, run_in_two_processes

from run_classification import main

FIGURES = ("train_loss", "train_accuracy", "eval_loss", "eval_accuracy", "eval_f1_micro")


def several_labels(folder) -> dict:
    """27 rows per split with up to two labels each."""
    files = {}
    for split in ("train", "validation", "test"):
        rows = [row | {"label": "|".join(["odd"] * (i % 2) + ["third"] * (i % 3 == 0))}
                for i, row in enumerate(make_rows(27, seed=len(split)))]  # fmt: skip
        files[f"{split}_file"] = write_csv(folder / f"several_{split}.csv", rows)
    return files | {"label_delimiter": "|", "class_weights": "balanced", "tune_thresholds": "global"}


def words(flags: dict) -> list[str]:
    return [f"--{name}={value}" for name, value in flags.items()]


@pytest.fixture(scope="session")
def runs(tiny_model, shared_files, tmp_path_factory) -> dict:
    """Case -> folders of the run in one process and in two. 27 rows over 2 x 4 leave a last batch of 3."""
    folder = tmp_path_factory.mktemp("two_processes")
    uneven = {split: write_csv(folder / f"{split}.csv", make(27, seed))
              for split, make, seed in (("plain", make_rows, 5), ("long", long_rows, 4))}  # fmt: skip
    long_files = {f"{split}_file": write_csv(folder / f"long_{split}.csv", long_rows(20, seed))
                  for split, seed in (("validation", 2), ("test", 3))}  # fmt: skip
    cases = {
        "one label": {"train_file": uneven["plain"], "label_smoothing_factor": 0.1},
        "several labels": several_labels(folder),
        "windows": {"train_file": uneven["long"], **long_files, "truncation_strategy": "window", "max_seq_length": 16},
    }
    common = {
        "model_name_or_path": tiny_model, **shared_files, "max_seq_length": 32, "num_train_epochs": 2,
        "precision": "fp32", "use_cpu": True, "disable_tqdm": True, **SGD,
    }  # fmt: skip
    two = []
    for case, flags in cases.items():
        main(words(common | flags | {"per_device_train_batch_size": 8, "output_dir": folder / case / "one"}))
        cut = {"per_device_train_batch_size": 4, "output_dir": folder / case / "two"}
        two.append(words(common | flags | cut))
    run_in_two_processes(*two)
    return {case: (folder / case / "one", folder / case / "two") for case in cases}


@pytest.mark.parametrize("case", ["one label", "several labels", "windows"])
def test_two_processes_equal_one(runs, case):
    one, two = runs[case]
    assert largest_difference(one, two) < 1e-5
    assert_epochs_agree(one, two, keys=FIGURES)
    first, second = read_predictions(one), read_predictions(two)
    assert [list(row.values())[:4] for row in first] == [list(row.values())[:4] for row in second]
