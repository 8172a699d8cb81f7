"""Which tokens each truncation strategy keeps, and what the model's config saves of it."""

from __future__ import annotations

import pytest
from transformers import BertConfig

from classification.data.truncation import STRATEGIES, Truncation, longest_first
from classification.errors import UsageError


def test_head_and_tail_are_the_proportion_of_the_paper():
    """Sun et al. 2019: the first 128 and the last 382 of 510 tokens."""
    ((kept,),) = Truncation("head_tail").windows([2000], 510)
    assert kept == [*range(128), *range(2000 - 382, 2000)]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("stride", [None, 1, 3, 9])
def test_no_window_is_too_long_and_windows_lose_nothing(strategy, stride):
    stride = stride if strategy == "window" else None
    for lengths in ([1], [9], [10], [11], [31], [3, 30], [30, 3], [30, 31], [9, 1]):
        windows = list(Truncation(strategy, stride).windows(lengths, 9))
        for window in windows:
            assert sum(map(len, window)) == min(9, sum(lengths))
            for kept, length in zip(window, lengths, strict=True):
                assert list(kept) == sorted(set(kept)) and all(0 <= place < length for place in kept)
        if strategy == "window":
            longer = max(range(len(lengths)), key=lengths.__getitem__)
            assert set().union(*(window[longer] for window in windows)) == set(range(lengths[longer]))
        else:
            assert len(windows) == 1


def test_the_longer_text_is_cut_first():
    assert longest_first([3, 20], 10) == [3, 7] and longest_first([20, 3], 10) == [7, 3]
    assert longest_first([20, 20], 9) == [4, 5] and longest_first([4, 4], 10) == [4, 4]


def test_the_config_saves_and_later_training_resets_it():
    config = BertConfig()
    for truncation in (Truncation("window", 5), Truncation("head_tail"), Truncation()):
        truncation.write_to(config)
        assert Truncation.from_config(config) == truncation
    assert not hasattr(config, "truncation_strategy") and not hasattr(config, "window_stride")


def test_a_trained_model_keeps_what_no_flag_changes():
    trained, headed = BertConfig(), BertConfig()
    Truncation("window", 5).write_to(trained)
    assert Truncation.choose(None, None, trained) == Truncation("window", 5)
    assert Truncation.choose("window", None, trained) == Truncation("window", 5)
    assert Truncation.choose(None, 14, trained) == Truncation("window", 14)
    assert Truncation.choose("tail", None, trained) == Truncation("tail")
    assert Truncation.choose(None, None) == Truncation()
    with pytest.raises(UsageError, match="--window_stride 14: needs --truncation_strategy window, not head"):
        Truncation.choose(None, 14, headed)


def test_a_stride_that_leaves_tokens_unread_is_refused():
    Truncation("window", 4).check_stride(6, 2)
    Truncation("window").check_stride(6, 2)
    with pytest.raises(UsageError, match=r"--window_stride 5 \(given, or saved with the model\).*_length 6.*at most 4"):
        Truncation("window", 5).check_stride(6, 2)


def test_the_side_is_that_of_the_tokenizer():
    assert [Truncation(strategy).side for strategy in STRATEGIES] == ["right", "left", "right", "right"]
