"""Long documents: what each way of cutting reads, and windows that add up to one document everywhere."""

from __future__ import annotations

import csv
import random

import numpy as np
import pytest
import torch
import transformers
from conftest import BAD, FILLER, GOOD, make_tokenizer, run_in_two_processes, splits_of, write_csv
from test_training import SGD, account, largest_difference

from classification.batching import token_lengths
from classification.encoding import encode_batch
from classification.errors import UsageError
from classification.labels import LabelSpace
from classification.losses import Objective
from classification.truncation import STRATEGIES, Truncation
from classification.windows import COUNTS, WindowCollator, pool_windows
from data_utils import encode_splits
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


# -------------------------------------------------------------------------------------------------------- windows


def long_rows(count: int, seed: int, longest: int = 60) -> list[dict]:
    """Texts of 3 words to `longest`, in which one word gives the label away."""
    draw = random.Random(seed)
    rows = []
    for i in range(count):
        text = draw.choices(FILLER, k=draw.randint(2, longest - 1))
        text.insert(draw.randrange(len(text) + 1), draw.choice((BAD, GOOD)[i % 2]))
        rows.append({"id": f"r{seed}-{i}", "text": " ".join(text), "label": ("negative", "positive")[i % 2]})
    return rows


@pytest.fixture
def long_files(tmp_path) -> dict[str, str]:
    sizes = {"train": (48, 1), "validation": (20, 2), "test": (20, 3)}
    return {
        f"{split}_file": write_csv(tmp_path / f"long_{split}.csv", long_rows(*size)) for split, size in sizes.items()
    }


WINDOWS = {"truncation_strategy": "window", "max_seq_length": 16, "num_train_epochs": 2}


def predictions(folder) -> list[dict]:
    with (folder / "predictions.csv").open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def test_one_window_equals_head(command, tmp_path):
    """Texts that fit: bitwise the same weights, and the same predictions."""
    main(command(output_dir=tmp_path / "head", num_train_epochs=2))
    result = main(command(output_dir=tmp_path / "window", num_train_epochs=2, truncation_strategy="window"))
    assert largest_difference(tmp_path / "head", tmp_path / "window") == 0
    assert predictions(tmp_path / "head") == predictions(tmp_path / "window")
    assert result["test_tokens_not_read"] == 0


def test_a_document_counts_once_whatever_its_windows(long_files):
    """Loss and gradient: the plain mean over documents of the mean over each one's windows."""
    torch.manual_seed(0)
    labels, counts = torch.tensor([0, 1, 1]), torch.tensor([1, 4, 2])
    logits = torch.randn(7, 2, requires_grad=True)
    loss = Objective(LabelSpace.from_train([0, 1])).total(logits, labels, counts) / 3
    parts = logits.split(counts.tolist())
    by_hand = [torch.nn.functional.cross_entropy(part, labels[i].repeat(len(part))) for i, part in enumerate(parts)]
    assert loss.item() == pytest.approx(torch.stack(by_hand).mean().item(), rel=1e-6)
    pooled = pool_windows(logits, counts)
    assert torch.allclose(pooled, torch.stack([part.mean(0) for part in parts]))
    loss.backward()
    (expected,) = torch.autograd.grad(torch.stack(by_hand).mean(), logits)
    assert torch.allclose(logits.grad, expected, atol=1e-7)


def test_one_row_a_document_in_every_output(command, long_files, tmp_path):
    result = main(command(**long_files | WINDOWS))
    rows = predictions(tmp_path / "out")
    texts = [row["text"] for row in long_rows(20, 3)]
    assert [row["text"] for row in rows] == texts
    assert (result["train_samples"], result["eval_samples"], result["test_samples"]) == (48, 20, 20)
    assert result["test_scored"] == 20 and sum(map(sum, result["test_confusion_matrix"])) == 20
    assert [int(row["tokens"]) for row in rows] == [len(text.split()) + 2 for text in texts]
    assert {row["truncated"] for row in rows} == {"False"}


def test_a_documents_probability_is_that_of_its_mean_logits(command, long_files, tmp_path):
    """Each window alone through the saved model, by hand; val_loss is one pooled term a document."""
    result = main(command(**long_files | WINDOWS, window_stride=5))
    model = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "out")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    encoded = encode([row["text"] for row in long_rows(20, 3)], "window", stride=5, max_length=16, tokenizer=tokenizer)
    with torch.no_grad():
        logits = torch.stack([
            torch.cat([model(input_ids=torch.tensor([ids])).logits for ids in windows]).mean(0)
            for windows in encoded["input_ids"]
        ])  # fmt: skip
    shown = [float(row["prob_positive"]) for row in predictions(tmp_path / "out")]
    assert np.allclose(logits.softmax(-1)[:, 1], shown, atol=2e-6)
    labels = torch.tensor([0, 1] * 10)
    assert result["test_loss"] == pytest.approx(torch.nn.functional.cross_entropy(logits, labels).item(), abs=1e-5)


def test_windows_of_one_document_never_cross_splits(command, tmp_path, monkeypatch):
    """Validation is split off by document, before there are windows."""
    import run_classification

    seen = {}

    def encode_and_look(*args, **more):
        seen.update(encode_splits(*args, **more))
        return seen

    monkeypatch.setattr(run_classification, "encode_splits", encode_and_look)
    rows = [row | {"text": f"{row['text']} {GOOD[i % 5]} " * 5} for i, row in enumerate(long_rows(40, 7))]
    train = write_csv(tmp_path / "train.csv", rows)
    main(command(train_file=train, validation_file=None, test_file=None, **WINDOWS, dry_run=True))
    assert len(seen["train"]) + len(seen["validation"]) == 40
    whole = {tuple(make_tokenizer()(row["text"])["input_ids"]) for row in rows}
    for split in ("train", "validation"):
        for windows in seen[split]["input_ids"]:
            found = {ids for ids in whole if tuple(windows[0][:-1]) == ids[:15]}
            assert len(found) == 1
            text = next(iter(found))
            inside = {text[i : i + 14] for i in range(1, len(text))}
            assert all(tuple(window[1:-1]) in inside for window in windows)
            whole -= found  # each document once, in one split
    assert not whole


@pytest.mark.parametrize("several", [False, True])
def test_cutting_a_batch_of_documents_changes_nothing(command, long_files, tmp_path, several):
    """8 documents at once, or 2 at a time; also with several labels a row."""
    changes = long_files | WINDOWS | SGD
    if several:
        for split, size in {"train": (48, 1), "validation": (20, 2), "test": (20, 3)}.items():
            rows = [
                row | {"label": "a|b" if i % 2 else ["", "a"][i % 4 // 2]} for i, row in enumerate(long_rows(*size))
            ]
            changes[f"{split}_file"] = write_csv(tmp_path / f"several_{split}.csv", rows)
        changes["label_delimiter"] = "|"
    main(command(**changes, output_dir=tmp_path / "whole"))
    cut = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 4, "per_device_eval_batch_size": 3}
    main(command(**changes | cut, output_dir=tmp_path / "cut"))
    assert largest_difference(tmp_path / "whole", tmp_path / "cut") < 1e-5
    for one, other in zip(account(tmp_path / "whole")["epochs"], account(tmp_path / "cut")["epochs"], strict=True):
        compared = [name for name in one if "_per_second" not in name and "runtime" not in name]
        assert {name: one[name] for name in compared} == pytest.approx({n: other[n] for n in compared}, abs=1e-5)


def test_two_processes_see_the_same_documents(command, long_files, tmp_path):
    changes = long_files | WINDOWS | SGD | {"use_cpu": True}
    changes["train_file"] = write_csv(tmp_path / "uneven.csv", long_rows(27, 4))
    main(command(**changes, output_dir=tmp_path / "one"))
    run_in_two_processes(command(**changes, per_device_train_batch_size=4, output_dir=tmp_path / "two"))
    assert largest_difference(tmp_path / "one", tmp_path / "two") < 1e-5
    one, two = predictions(tmp_path / "one"), predictions(tmp_path / "two")
    assert [(row["id"], row["prediction"]) for row in one] == [(row["id"], row["prediction"]) for row in two]


def test_lengths_are_of_whole_documents():
    splits = splits_of([{"text": numbered(n), "label": 0} for n in (3, 30, 12)])
    encoded = encode_splits(splits, numbered_tokenizer(), max_length=12, how=Truncation("window", 10))["train"]
    assert [len(windows) for windows in encoded["input_ids"]] == [1, 3, 2]
    assert token_lengths(encoded).tolist() == [5, 36, 24]
    assert token_lengths(encoded.select([2, 0])).tolist() == [24, 5]


def test_the_collator_lays_windows_under_each_other():
    rows = [{"input_ids": [[1, 2, 3]], "attention_mask": [[1] * 3], "labels": 1},
            {"input_ids": [[4, 5], [5, 6]], "attention_mask": [[1] * 2] * 2, "labels": 0}]  # fmt: skip
    batch = WindowCollator(transformers.DataCollatorWithPadding(make_tokenizer()))(rows)
    assert batch["input_ids"].tolist() == [[1, 2, 3], [4, 5, 0], [5, 6, 0]]
    assert batch[COUNTS].tolist() == [1, 2] and batch["labels"].tolist() == [1, 0]


# --------------------------------------------------------------------------------------------- afterwards, and errors


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_trained_model_reads_as_it_was_trained(strategy, command, long_files, tmp_path, capsys):
    """Without flags a later prediction gives the same file; head and tail also in a pipeline, the others say so."""
    changes = long_files | WINDOWS | {"truncation_strategy": strategy}
    main(command(**changes))
    assert ("reads only the head" in capsys.readouterr().out) == (strategy in ("head_tail", "window"))
    again = {"train_file": None, "validation_file": None, "max_seq_length": None, "do_predict": True}
    main(command(**long_files | again, model_name_or_path=tmp_path / "out", output_dir=tmp_path / "again"))
    assert (tmp_path / "out" / "predictions.csv").read_text() == (tmp_path / "again" / "predictions.csv").read_text()
    classify = transformers.pipeline("text-classification", str(tmp_path / "out"), truncation=True)
    rows = predictions(tmp_path / "out")
    scores = [classify(row["text"])[0]["score"] for row in rows]
    agree = np.allclose(scores, [float(row[f"prob_{row['prediction']}"]) for row in rows], atol=2e-6)
    assert agree == (strategy in ("head", "tail"))


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
