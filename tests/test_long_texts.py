"""Long documents: what each way of cutting reads, and windows that add up to one document everywhere."""

from __future__ import annotations

import numpy as np
import pytest
import transformers
from conftest import AGAIN, long_rows, make_tokenizer
from test_results import read_predictions

from classification.data.encoding import encode_batch
from classification.data.truncation import STRATEGIES, Truncation
from classification.data.windows import COUNTS
from classification.errors import UsageError
from run_classification import main


def numbered(count: int) -> str:
    return " ".join(f"w{i}" for i in range(count))


def numbered_tokenizer():
    return make_tokenizer(words=[f"w{i}" for i in range(60)])


def encode(texts, strategy, *, pairs=None, max_length=12, stride=None, tokenizer=None) -> dict:
    batch = {"text": texts} | ({"text_pair": pairs} if pairs else {})
    return encode_batch(
        batch, tokenizer=tokenizer or numbered_tokenizer(), max_length=max_length,
        truncation=Truncation(strategy, stride),
    )  # fmt: skip


def words(ids: list[int]) -> str:
    return numbered_tokenizer().decode(ids)


# ---------------------------------------------------------------------------------------------------- what is read


@pytest.mark.parametrize(
    ("strategy", "read"),
    [
        ("head", ["[CLS] w0 w1 w2 w3 w4 w5 w6 w7 w8 w9 [SEP]"]),
        ("tail", ["[CLS] w5 w6 w7 w8 w9 w10 w11 w12 w13 w14 [SEP]"]),
        ("head_tail", ["[CLS] w0 w1 w2 w8 w9 w10 w11 w12 w13 w14 [SEP]"]),
        ("window", ["[CLS] w0 w1 w2 w3 w4 w5 w6 w7 w8 w9 [SEP]", "[CLS] w5 w6 w7 w8 w9 w10 w11 w12 w13 w14 [SEP]"]),
    ],
)  # fmt: skip
def test_each_way_reads_its_part(strategy, read):
    encoded = encode([numbered(15)], strategy)
    windows = encoded["input_ids"][0] if strategy == "window" else encoded["input_ids"]
    assert [words(ids) for ids in windows] == read
    assert encoded["full_length"] == [17]
    assert encoded["read_length"] == [17 if strategy == "window" else 12]


def test_head_and_tail_are_the_proportion_of_the_paper():
    """Sun et al. 2019: the first 128 and the last 382 of 510 tokens."""
    ((kept,),) = Truncation("head_tail").windows([2000], 510)
    assert kept == [*range(128), *range(2000 - 382, 2000)]


@pytest.mark.parametrize(("strategy", "side"), [("head", "right"), ("tail", "left")])
@pytest.mark.parametrize("max_length", [5, 8, 9, 14, 40])
def test_head_and_tail_equal_the_tokenizers_own_truncation(strategy, side, max_length):
    """Single texts and pairs of all lengths; so `pipeline(truncation=True)` cuts what training cut."""
    tokenizer = numbered_tokenizer()
    lengths = [(a, b) for a in (1, 2, 3, 6, 7, 20) for b in (1, 3, 4, 7, 8, 20)]
    texts, pairs = [numbered(a) for a, _ in lengths], [numbered(b) for _, b in lengths]
    ours = encode(texts, strategy, pairs=pairs, max_length=max_length)
    single = encode(texts, strategy, max_length=max_length)
    tokenizer.truncation_side = side
    theirs = tokenizer(texts, pairs, truncation="longest_first", max_length=max_length)
    assert all(ours[name] == theirs[name] for name in ("input_ids", "attention_mask", "token_type_ids"))
    assert single["input_ids"] == tokenizer(texts, truncation=True, max_length=max_length)["input_ids"]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("stride", [None, 1, 3, 9])
def test_no_window_is_too_long_and_none_of_the_text_is_lost(strategy, stride):
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


def test_of_a_pair_the_longer_text_slides_and_the_other_stands_in_every_window():
    encoded = encode([numbered(12)], "window", pairs=["good film"], max_length=9)
    windows = encoded["input_ids"][0]
    assert len(windows) == 5 and all(words(ids).endswith("[SEP] good film [SEP]") for ids in windows)
    assert words(windows[1]) == "[CLS] w2 w3 w4 w5 [SEP] good film [SEP]"
    assert encoded["token_type_ids"][0][0] == [0] * 6 + [1] * 3


def test_special_tokens_that_a_text_spells_are_text():
    text = "[SEP] " + numbered(9) + " [CLS] w1 [SEP]"
    assert words(encode([text], "tail", max_length=6)["input_ids"][0]) == "[CLS] w8 [CLS] w1 [SEP] [SEP]"


def test_a_tokenizer_in_python_is_cut_like_a_fast_one(tmp_path):
    """`--use_fast_tokenizer false` and languages without a fast tokenizer: no sequence ids to ask for."""
    vocabulary = tmp_path / "vocab.txt"
    vocabulary.write_text("\n".join(numbered_tokenizer().convert_ids_to_tokens(range(80))).replace("None", ""))
    slow = transformers.models.bert_japanese.BertJapaneseTokenizer(
        str(vocabulary), word_tokenizer_type="basic", subword_tokenizer_type="wordpiece"
    )
    assert not slow.is_fast
    texts, pairs = [numbered(15), numbered(4)], ["good film", numbered(16)]
    for strategy in STRATEGIES:
        slow_encoded = encode(texts, strategy, pairs=pairs, tokenizer=slow)
        assert slow_encoded["input_ids"] == encode(texts, strategy, pairs=pairs)["input_ids"]


# --------------------------------------------------------------------------------------------- afterwards, and errors


WINDOWS = {"truncation_strategy": "window", "max_seq_length": 16, "num_train_epochs": 2}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_trained_model_reads_as_it_was_trained(strategy, command, long_files, tmp_path, capsys):
    """Without flags a later prediction gives the same file; head and tail also in a pipeline, the others say so."""
    changes = long_files | WINDOWS | {"truncation_strategy": strategy}
    main(command(**changes))
    assert ("reads only the head" in capsys.readouterr().out) == (strategy in ("head_tail", "window"))
    main(command(**long_files | AGAIN, model_name_or_path=tmp_path / "out", output_dir=tmp_path / "again"))
    assert (tmp_path / "out" / "predictions.csv").read_text() == (tmp_path / "again" / "predictions.csv").read_text()
    classify = transformers.pipeline("text-classification", str(tmp_path / "out"), truncation=True)
    rows = read_predictions(tmp_path / "out")
    scores = [classify(row["text"])[0]["score"] for row in rows]
    agree = np.allclose(scores, [float(row[f"prob_{row['prediction']}"]) for row in rows], atol=2e-6)
    assert agree == (strategy in ("head", "tail"))


def test_a_trained_model_keeps_its_windows_and_takes_another_stride(command, long_files, tmp_path):
    """Without training, what is not said is as it was saved; a saved stride that does not fit is named."""
    main(command(**long_files | WINDOWS, window_stride=5))
    again = long_files | AGAIN | {"model_name_or_path": tmp_path / "out"}
    whole = {}
    for name, flags in {"saved": {"truncation_strategy": "window"}, "other": {"window_stride": 14}}.items():
        main(command(**again | flags, output_dir=tmp_path / name))
        whole[name] = (tmp_path / name / "predictions.csv").read_text()
    assert whole["saved"] == (tmp_path / "out" / "predictions.csv").read_text() != whole["other"]
    with pytest.raises(UsageError, match=r"--window_stride 5 \(given, or saved with the model\).*at most 4"):
        main(command(**again | {"max_seq_length": 6}, output_dir=tmp_path / "short"))
    main(command(**long_files, output_dir=tmp_path / "head"))
    again |= {"model_name_or_path": tmp_path / "head", "window_stride": 14}
    with pytest.raises(UsageError, match="--window_stride 14: goes with --truncation_strategy window, not with head"):
        main(command(**again, output_dir=tmp_path / "no"))


def test_training_starts_from_the_head_again(command, long_files, tmp_path):
    main(command(**long_files | WINDOWS | {"num_train_epochs": 1}))
    main(command(**long_files, model_name_or_path=tmp_path / "out", output_dir=tmp_path / "again"))
    config = transformers.AutoConfig.from_pretrained(tmp_path / "again")
    assert Truncation.from_config(config) == Truncation() and not hasattr(config, "truncation_strategy")


def test_what_is_not_read_is_said(command, long_files, capsys):
    main(command(**long_files, dry_run=True, truncation_strategy="head_tail", max_seq_length=16))
    rows = long_rows(48, 1)
    lengths = np.array([len(row["text"].split()) + 2 for row in rows])
    share = 100 * np.maximum(lengths - 16, 0).sum() / lengths.sum()
    cut = f"{(lengths > 16).sum()} rows ({100 * (lengths > 16).mean():.1f}%) are cut to 16 (head_tail), {share:.1f}%"
    assert cut in capsys.readouterr().out
    main(command(**long_files, dry_run=True, truncation_strategy="window", max_seq_length=16))
    shown = capsys.readouterr().out
    assert "48 rows in " in shown and "0 rows (0.0%) are cut" in shown
    assert COUNTS in shown and "with the arguments written out" in shown


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"truncation_strategy": "middle"}, ["--truncation_strategy", "middle", "head_tail"]),
        ({"window_stride": 8}, ["--window_stride 8", "--truncation_strategy window"]),
        ({"truncation_strategy": "window", "window_stride": 40}, ["--window_stride 40", "_length 32", "at most"]),
        ({"truncation_strategy": "window", "window_stride": 31}, ["--window_stride 31", "30 tokens", "at most 30"]),
        ({"truncation_strategy": "window", "window_stride": 0}, ["--window_stride 0", "at least 1"]),
    ],
)  # fmt: skip
def test_unfit_windows_are_refused(flags, expected, command, nothing_slow):
    with pytest.raises(UsageError) as refused:
        main(command(**flags))
    for word in expected:
        assert word in str(refused.value)
