"""A folder of text files per class: what is a class, what is a text, and what is said of the rest."""

from __future__ import annotations

import pytest

from classification.data.corpus import Source
from classification.data.sources.readers import read_splits
from classification.errors import UsageError


def write_files(folder, files: dict[str, str | bytes]) -> str:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(folder)


def read(folder, flag: str = "train"):
    return read_splits(Source(files={flag: str(folder)}))[flag]


def test_a_folder_of_texts_is_read_as_utf8(tmp_path):
    texts = ["这部电影很好看", "لم يكن الفيلم", "cafe\u0301 🇪🇺", 'quotes, "commas"\nlines']
    for label in ("好评", "سيئ جدا"):
        (tmp_path / label).mkdir()
        for i, text in enumerate(texts):
            (tmp_path / label / f"{i}.txt").write_text(text, encoding="utf-8")
    data = read_splits(Source(files={"train": str(tmp_path)}))["train"]
    assert sorted(data["text"]) == sorted(texts * 2) and set(data["label"]) == {"好评", "سيئ جدا"}
    assert data["id"][0] == f"{data['label'][0]}/0"


def test_folders_that_are_no_classes_are_refused_or_left_out(tmp_path, caplog):
    with pytest.raises(UsageError, match="a folder must have one sub-folder of .txt files per class.*nothing"):
        read_splits(Source(files={"train": str(tmp_path)}))
    for name in ("pos", "unsup"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.txt").write_text("good", encoding="utf-8")
    caplog.set_level("INFO")
    assert len(read_splits(Source(files={"train": str(tmp_path)}))["train"]) == 1
    assert "'unsup' is not read, it has no labels" in caplog.text
    (tmp_path / "neg").mkdir()
    with pytest.raises(UsageError, match="the class folder 'neg' has no .txt files"):
        read_splits(Source(files={"train": str(tmp_path)}))
    (tmp_path / "neg" / "1.txt").write_bytes("café".encode("latin-1"))
    with pytest.raises(UsageError, match="1.txt: line 1 is not valid UTF-8"):
        read_splits(Source(files={"train": str(tmp_path)}))


def test_hidden_files_and_folders_are_neither_classes_nor_texts(tmp_path):
    """Of Jupyter, macOS and zip archives made there."""
    hidden = {".ipynb_checkpoints/1.txt": "copy", "pos/._1.txt": b"\x00\x05", ".DS_Store": "x",
              "__MACOSX/pos/._1.txt": b"\x00", "pos/.ipynb_checkpoints/1.txt": "copy"}  # fmt: skip
    data = read(write_files(tmp_path, {"neg/0.txt": "bad", "pos/1.txt": "good", **hidden}))
    assert data[:] == {"id": ["neg/0", "pos/1"], "text": ["bad", "good"], "label": ["neg", "pos"]}


def test_the_ending_may_be_in_capitals_and_other_files_are_named(tmp_path, caplog):
    files = {"neg/0.TXT": b"\xef\xbb\xbfbad\r\nfilm", "neg/0.txt": "dull", "pos/1.txt": "gut".encode("utf-16")}
    data = read(write_files(tmp_path, {**files, "pos/notes.md": "x", "urls.txt": "u"}))
    assert data["text"][:] == ["bad\nfilm", "dull", "gut"] and data["id"][:] == ["neg/0.TXT", "neg/0.txt", "pos/1"]
    assert "no .txt files of 'pos': notes.md" in caplog.text and "in no class folder: urls.txt" in caplog.text


def test_texts_in_deeper_folders_are_never_left_out(tmp_path):
    write_files(tmp_path, {"neg/0.txt": "bad", "pos/old/1.txt": "good", "pos/2.txt": "fine"})
    with pytest.raises(UsageError, match="'pos' has .txt files in the folders old below it. Move the files into 'pos'"):
        read(tmp_path)
    write_files(tmp_path / "outer", {"inner/pos/0.txt": "a", "inner/neg/1.txt": "b"})
    with pytest.raises(UsageError, match=r"If the classes are neg, pos, give the folder (\S+)\.$") as refused:
        read(tmp_path / "outer")
    assert len(read(str(refused.value).rpartition(" ")[2][:-1])) == 2


def test_folders_of_splits_are_read_by_name(tmp_path):
    write_files(tmp_path, {"train/pos/0.txt": "a", "train/neg/1.txt": "b", "dev/pos/2.txt": "c", "test/neg/3.txt": "d"})
    with pytest.raises(UsageError, match=r"holds splits .*--dataset_name \S+; or one: --train_file \S+train$"):
        read(tmp_path)
    splits = read_splits(Source(dataset_name=str(tmp_path)))
    assert {split: data["id"][:] for split, data in splits.items()} == {
        "train": ["neg/1", "pos/0"], "validation": ["pos/2"], "test": ["neg/3"]
    }  # fmt: skip


def test_links_are_followed_and_a_broken_one_is_named(tmp_path):
    write_files(tmp_path, {"a/neg/0.txt": "bad", "elsewhere/1.txt": "good"})
    (tmp_path / "a" / "pos").symlink_to(tmp_path / "elsewhere")
    assert read(tmp_path / "a")["id"][:] == ["neg/0", "pos/1"]
    (tmp_path / "a" / "neg" / "2.txt").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="2.txt is a link to a file that is not there"):
        read(tmp_path / "a")


def test_a_folder_of_data_files_is_refused_with_the_file_to_give(tmp_path):
    write_files(tmp_path, {"train.csv": "text,label\na,b\n", "test.csv.gz": "x"})
    with pytest.raises(
        UsageError, match=r"data files \(test.csv.gz, train.csv\).*: --train_file \S+train.csv$"
    ) as refused:
        read(tmp_path)
    assert len(read(str(refused.value).rpartition(" ")[2])) == 1


def test_class_folders_given_by_data_set_name_are_train(tmp_path, caplog):
    folder = write_files(tmp_path, {"pos/1.txt": "good", "neg/1.txt": "bad", ".cache/1.txt": "x", "README.md": "about"})
    data = read_splits(Source(dataset_name=folder))
    assert list(data) == ["train"] and data["train"]["id"][:] == ["neg/1", "pos/1"]
    assert data["train"]["label"][:] == ["neg", "pos"] and not caplog.text


def test_a_class_folder_of_packed_texts_says_what_to_do_with_them(tmp_path):
    folder = write_files(tmp_path, {"pos/1.txt.gz": "x", "neg/1.txt": "bad"})
    with pytest.raises(UsageError, match=r"'pos' has no .txt files, but 1.txt.gz. Unpack or rename them"):
        read(folder)
