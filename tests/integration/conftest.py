"""Data of each kind of task, made once: the flags that name its files."""

from __future__ import annotations

import pytest
from corpus import number_rows, rare_rows, several_rows, stars, write_splits


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    return tmp_path_factory.mktemp("task_data")


@pytest.fixture(scope="session")
def several(data) -> dict[str, str]:
    """Multi-label: 96 training rows, 32 of validation, 32 of test."""
    return write_splits(data, "several", several_rows, 96, 32, 32) | {"label_delimiter": "|"}


@pytest.fixture(scope="session")
def numbers(data) -> dict[str, str]:
    """Regression: 48 rows per split."""
    return write_splits(data, "numbers", number_rows(stars), 48, 48, 48)


@pytest.fixture(scope="session")
def rare(data) -> dict[str, str]:
    """One row in eight is positive: 80 training rows, 40 of validation, 40 of test."""
    return write_splits(data, "rare", rare_rows, 80, 40, 40)


@pytest.fixture(scope="session")
def trained(finished):
    """Two epochs in batches of 4: a classifier that is right most of the time."""
    return finished(num_train_epochs=2, per_device_train_batch_size=4)


@pytest.fixture(scope="session")
def learned(finished):
    """Eight epochs in batches of 4: a classifier that is always right."""
    return finished(num_train_epochs=8, per_device_train_batch_size=4)
