"""Loader workers: the same batches, and none is left behind."""

from __future__ import annotations

import multiprocessing
from functools import partial

from helpers import largest_difference

from run_classification import main


def test_a_run_with_workers_equals_one_without_and_leaves_none_behind(command, tmp_path):
    """On a GPU each worker that is left would cost five seconds at the exit of the process.

    Dropout draws from the random numbers that torch draws from when it starts workers, once for both epochs.
    """
    command = partial(command, attention_dropout=0.2, num_train_epochs=2)
    workers = {"dataloader_num_workers": 1, "dataloader_persistent_workers": True, "dataloader_prefetch_factor": 2}
    before = set(multiprocessing.active_children())  # of joblib, where other tests ran in this process
    main(command(output_dir=tmp_path / "with", **workers))
    assert set(multiprocessing.active_children()) <= before
    main(command(dry_run=True, output_dir=tmp_path / "dry", **workers))
    assert set(multiprocessing.active_children()) <= before
    main(command(output_dir=tmp_path / "without"))
    assert largest_difference(tmp_path / "with", tmp_path / "without") == 0
