"""Long documents in whole runs: a trained model reads texts as it was trained."""

from __future__ import annotations

import numpy as np
import pytest
import transformers
from corpus import long_rows, write_splits
from helpers import AGAIN, read_predictions

from classification.data.truncation import STRATEGIES, Truncation
from classification.data.windows import COUNTS
from classification.errors import UsageError
from run_classification import main

STRIDE = 5


@pytest.fixture(scope="module")
def long(tmp_path_factory) -> dict[str, str]:
    return write_splits(tmp_path_factory.mktemp("long"), "long", long_rows, 48, 20, 20)


@pytest.fixture(scope="module")
def trained(finished, long):
    """A function that trains with a truncation strategy, once for all tests."""

    def train(strategy: str):
        stride = STRIDE if strategy == "window" else None
        return finished(**long, truncation_strategy=strategy, window_stride=stride, max_seq_length=16)

    return train


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_trained_model_reads_as_it_was_trained(strategy, trained, command, long, tmp_path):
    """Later predictions without flags are the same; for head and tail also those of a pipeline, and no note says
    otherwise."""
    run = trained(strategy)
    assert ("reads only the head" in run.shown) == (strategy in ("head_tail", "window"))
    main(command(**long | AGAIN, model_name_or_path=run.folder, output_dir=tmp_path / "again"))
    assert (run.folder / "predictions.csv").read_text() == (tmp_path / "again" / "predictions.csv").read_text()
    classify = transformers.pipeline("text-classification", str(run.folder), truncation=True)
    rows = read_predictions(run.folder)
    scores = [classify(row["text"])[0]["score"] for row in rows]
    agree = np.allclose(scores, [float(row[f"prob_{row['prediction']}"]) for row in rows], atol=2e-6)
    assert agree == (strategy in ("head", "tail"))


def test_a_trained_model_accepts_another_stride(trained, command, long, tmp_path):
    """A saved stride that does not fit the given length is named."""
    run = trained("window")
    again = long | AGAIN | {"model_name_or_path": run.folder}
    main(command(**again, window_stride=14, output_dir=tmp_path / "other"))
    assert (tmp_path / "other" / "predictions.csv").read_text() != (run.folder / "predictions.csv").read_text()
    with pytest.raises(UsageError, match=r"--window_stride 5 \(given, or saved with the model\).*at most 4"):
        main(command(**again | {"max_seq_length": 6}, output_dir=tmp_path / "short"))


def test_windows_of_a_model_that_was_trained_on_heads_are_refused(trained, command, long, tmp_path):
    again = long | AGAIN | {"model_name_or_path": trained("head").folder, "window_stride": 14}
    with pytest.raises(UsageError, match="--window_stride 14: needs --truncation_strategy window, not head"):
        main(command(**again, output_dir=tmp_path / "no"))


def test_training_starts_from_the_head_again(trained, command, long, tmp_path):
    main(command(**long, model_name_or_path=trained("window").folder, output_dir=tmp_path / "again"))
    config = transformers.AutoConfig.from_pretrained(tmp_path / "again")
    assert Truncation.from_config(config) == Truncation() and not hasattr(config, "truncation_strategy")


def test_a_dry_run_prints_the_windows(command, long, capsys):
    main(command(**long, dry_run=True, truncation_strategy="window", max_seq_length=16))
    out = capsys.readouterr().out
    assert "48 rows in " in out and "0 rows (0.0%) are cut" in out and COUNTS in out


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"truncation_strategy": "middle"}, ["--truncation_strategy", "middle", "head_tail"]),
        ({"window_stride": 8}, ["--window_stride 8", "--truncation_strategy window"]),
        ({"truncation_strategy": "window", "window_stride": 0}, ["--window_stride 0", "at least 1"]),
        ({"truncation_strategy": "window", "window_stride": 40}, ["--window_stride 40", "_length 32", "at most"]),
        ({"truncation_strategy": "window", "window_stride": 31}, ["--window_stride 31", "30 tokens", "at most 30"]),
    ],
)  # fmt: skip
def test_windows_that_do_not_fit_are_refused(flags, words, command, nothing_slow):
    with pytest.raises(UsageError) as refused:
        main(command(**flags))
    for word in words:
        assert word in str(refused.value)
