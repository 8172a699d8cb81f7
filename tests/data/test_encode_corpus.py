"""Every split is tokenised once, and the cache has exactly the splits of an unchanged run."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import datasets
import pytest
from corpus import make_rows, splits_of
from helpers import make_tokenizer

import data_utils
from classification.data.encoding import Encoding
from classification.data.truncation import Truncation
from data_utils import encode_corpus


def encode(splits, tokenizer=None, *, max_length=8, truncation=Truncation(), **choices):  # noqa: B008
    return encode_corpus(
        splits, tokenizer or make_tokenizer(), Encoding(**choices), max_length=max_length, truncation=truncation
    )


@pytest.fixture
def splits(tmp_path):
    return splits_of(make_rows(10, seed=sum(map(ord, tmp_path.name))))


def cache_lines(caplog) -> list[str]:
    lines = [message.split(": ")[1].split(",")[0].split()[0] for message in caplog.messages if "cache  " in message]
    caplog.clear()
    return lines


def test_cache_is_hit_only_by_an_unchanged_run(splits, caplog):
    caplog.set_level("INFO")
    encode(splits)
    encode(splits, make_tokenizer())
    assert cache_lines(caplog) == ["miss", "hit"]
    encode(splits, max_length=9)
    encode(splits, make_tokenizer(words=["new"]))
    encode(splits.map(lambda row: {"text": row["text"] + " good"}))
    encode(splits, overwrite_cache=True)
    assert cache_lines(caplog) == ["miss"] * 4
    left = make_tokenizer()
    left.truncation_side = "left"
    encode(splits, left)
    assert cache_lines(caplog) == ["miss"]


@pytest.mark.parametrize("module", ["encoding", "truncation"])
def test_cache_is_missed_when_the_encoding_code_changes(splits, caplog, monkeypatch, module):
    """The library's own cache does not see a change in an imported function (datasets issue 3297)."""
    caplog.set_level("INFO")
    encode(splits)
    getsource = inspect.getsource
    changed = importlib.import_module(f"classification.data.{module}")
    monkeypatch.setattr(inspect, "getsource", lambda part: getsource(part) + "#" * (part is changed))
    encode(splits)
    encode(splits, truncation=Truncation("tail"))
    assert cache_lines(caplog) == ["miss"] * 3


def test_encoded_rows_are_those_of_the_tokenizer(splits):
    rows, tokenizer = encode(splits, max_length=6)["train"], make_tokenizer()
    for text, row in zip(splits["train"]["text"], rows, strict=True):
        assert row["input_ids"] == tokenizer(text, truncation=True, max_length=6)["input_ids"]
        assert row["full_length"] == len(tokenizer(text)["input_ids"])
        assert len(row["input_ids"]) == min(6, row["full_length"])
    assert rows.format["type"] is None


def test_nothing_is_tokenised_twice_for_its_labels(splits, caplog):
    caplog.set_level("INFO")
    encode(splits)
    relabelled = splits.map(lambda row: {"label": 1})
    assert encode(relabelled)["train"]["labels"][:] == [1] * 10
    assert cache_lines(caplog) == ["miss", "hit"]


def entries_of(splits) -> list[Path]:
    """The files in the cache after encoding `splits`, the newest last."""
    encode(splits)
    folder = Path(datasets.config.HF_DATASETS_CACHE, "text_classification_encoded")
    return sorted(folder.glob("*/*.arrow"), key=lambda path: path.stat().st_mtime_ns)


def test_the_cache_folder_is_ours(own_cache, splits):
    assert entries_of(splits)
    assert not list(Path(datasets.config.HF_DATASETS_CACHE, "text_classification_encoded").glob(".*"))


def damaged(content: bytes) -> dict[str, bytes]:
    return {
        "empty": b"", "its first half": content[: len(content) // 2], "all but the last bytes": content[:-9],
        "text": b"id,text\n", "the end missing": content[: content.rindex(b"\xff\xff\xff\xff", 0, -8)],
        "a changed byte": content[:-72] + bytes([content[-72] ^ 1]) + content[-71:],
    }  # fmt: skip


@pytest.mark.parametrize("damage", ["empty", "its first half", "text", "the end missing", "a changed byte"])
def test_a_damaged_file_in_the_cache_is_made_anew(splits, caplog, damage):
    """A file without its last batch of rows can be read: only the number of rows shows it."""
    caplog.set_level("INFO")
    entry, expected = entries_of(splits)[-1], encode(splits)["train"][:]
    content = entry.read_bytes()
    entry.unlink()  # the rows above are mapped from it
    entry.write_bytes(damaged(content)[damage])
    cache_lines(caplog)
    assert encode(splits)["train"][:] == expected and encode(splits)["train"][:] == expected
    assert cache_lines(caplog) == ["miss", "hit"]


def test_the_rows_of_another_entry_are_not_taken(splits):
    """A file with as many rows of the same columns, copied to the wrong place."""
    other = splits.map(lambda row: {"text": row["text"] + " good"})
    wrong, entry = entries_of(other)[-1], entries_of(splits)[-1]
    expected, content = encode(splits)["train"][:], wrong.read_bytes()
    entry.unlink()
    entry.write_bytes(content)
    assert encode(splits)["train"][:] == expected != encode(other)["train"][:]


def test_two_runs_that_write_one_entry_both_get_their_rows(splits, monkeypatch):
    """The second run encodes the same split between the first run's look and its writing."""
    expected, calls = encode(splits, max_length=7)["train"][:], []
    encode_batch = data_utils.encoding_code.encode_batch

    def interrupted(batch, **more):
        if not calls:
            calls.append(1)
            assert encode(splits, max_length=7, overwrite_cache=True)["train"][:] == expected
        return encode_batch(batch, **more)

    monkeypatch.setattr(data_utils.encoding_code, "encode_batch", interrupted)
    assert encode(splits, max_length=7, overwrite_cache=True)["train"][:] == expected and calls


def test_more_processes_than_rows_are_as_many_as_rows(splits):
    few = datasets.DatasetDict({"train": splits["train"].select(range(3))})
    expected = encode(few)["train"][:]
    assert encode(few, num_workers=8, overwrite_cache=True)["train"][:] == expected
    assert encode(few, num_workers=8)["train"][:] == expected
