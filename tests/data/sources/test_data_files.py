"""What a file holds decides how it is read: compressed files are unpacked, other formats are refused with a way out."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import pickle
import zipfile

import pyarrow as pa
import pytest
from datasets import Dataset

from classification.data.corpus import Source
from classification.data.sources.file_formats import file_kind
from classification.data.sources.readers import read_splits
from classification.errors import UsageError

ROWS = {"csv": "text,label\na,b\n", "tsv": "text\tlabel\na\tb\n", "json": '[{"text": "a", "label": "b"}]',
        "jsonl": '{"text": "a", "label": "b"}\n', "ndjson": '{"text": "a", "label": "b"}\n'}  # fmt: skip


def read(tmp_path, content: str | bytes, name: str) -> list[dict]:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read_splits(Source(files={"train": str(tmp_path / name)}))["train"])


def refusal(tmp_path, content: str | bytes, name: str) -> str:
    with pytest.raises(UsageError, match=f"^--train_file .*{name}: ") as refused:
        read(tmp_path, content, name)
    return str(refused.value)


def zipped(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def zstd(content: bytes) -> bytes:
    return pa.compress(content, "zstd", asbytes=True)


PACKERS = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstd,
    "zip": lambda content: zipped({"x": content}),
}


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("kind", ROWS)
def test_compressed_files_are_read_by_their_content(kind, packer, tmp_path):
    """Also under a name without its ending, and in UTF-16."""
    packed = PACKERS[packer](ROWS[kind].encode())
    assert read(tmp_path, packed, f"a.{kind}.{packer}") == [{"text": "a", "label": "b"}]
    assert read(tmp_path, packed, f"a.{kind}") == [{"text": "a", "label": "b"}]
    packed = PACKERS[packer](ROWS[kind].encode("utf-16"))
    assert read(tmp_path, packed, f"b.{kind}.{packer}") == [{"text": "a", "label": "b"}]


def test_a_zip_archive_of_one_file_is_read_and_one_of_several_is_refused(tmp_path):
    files = {"data/train.tsv": ROWS["tsv"], "__MACOSX/data/._train.tsv": "x", ".DS_Store": "x"}
    assert read(tmp_path, zipped(files), "a.zip") == [{"text": "a", "label": "b"}]
    message = refusal(tmp_path, zipped({**files, "data/test.tsv": "x"}), "b.zip")
    assert "the archive has 2 files (data/train.tsv, data/test.tsv). Unpack it, and give one file." in message


@pytest.mark.parametrize("packer", [packer for packer in PACKERS if packer != "zip"])
def test_a_compressed_file_that_was_cut_is_called_broken(packer, tmp_path):
    packed = PACKERS[packer](("text,label\n" + "".join(f"{i},{i}\n" for i in range(9999))).encode())
    assert "file is broken" in refusal(tmp_path, packed[: len(packed) // 2], f"a.csv.{packer}")


def parquet_bytes(tmp_path) -> bytes:
    Dataset.from_dict({"text": ["a"], "label": ["b"]}).to_parquet(str(tmp_path / "x"))
    return (tmp_path / "x").read_bytes()


def test_tables_are_read_under_another_name_and_text_under_a_table_name_is_refused(tmp_path):
    parquet = parquet_bytes(tmp_path)
    assert read(tmp_path, parquet, "a.csv") == [{"text": "a", "label": "b"}]
    Dataset.from_dict({"text": ["a"], "label": ["b"]}).save_to_disk(str(tmp_path / "saved"))
    assert read(tmp_path, next((tmp_path / "saved").glob("*.arrow")).read_bytes(), "b.csv") == [
        {"text": "a", "label": "b"}
    ]
    for name in ("c.parquet", "c.arrow"):
        assert "It looks like text: end its name in .csv" in refusal(tmp_path, ROWS["csv"], name)
    assert "cannot be read as parquet" in refusal(tmp_path, parquet[:-9], "d.parquet")
    assert "is compressed with gzip" in refusal(tmp_path, gzip.compress(parquet), "e.parquet.gz")


XLSX = zipped({"[Content_Types].xml": "", "xl/workbook.xml": ""})
REFUSED = {  # content -> words of the remedy
    "an Excel workbook": (XLSX, ["Excel workbook", "CSV UTF-8"]),
    "an old Excel workbook": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), ["Excel workbook"]),
    "an OpenDocument table": (zipped({"mimetype": "application/vnd.oasis.opendocument.spreadsheet"}), ["soffice"]),
    "a Word document": (zipped({"word/document.xml": ""}), ["Word"]),
    "a PyTorch file": (zipped({"archive/data.pkl": ""}), ["PyTorch", "not opened"]),
    "NumPy arrays": (zipped({"a.npy": ""}), ["NumPy"]),
    "an SQLite database": (b"SQLite format 3\x00" + bytes(99), ["sqlite3 -header -csv"]),
    "a pickle": (pickle.dumps({"a": 1}), ["pickle", "can run code"]),
    "a PDF document": (b"%PDF-1.4\n", ["PDF"]),
    "a web page": ("\n<!DOCTYPE html><html>", ["web page", "Download the file itself"]),
    "a pointer of Git LFS": ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", ["git lfs pull"]),
    "a tar archive": (b"train.csv".ljust(257, b"\x00") + b"ustar" + bytes(99), ["tar archive"]),
    "a 7z archive": (b"7z\xbc\xaf\x27\x1c" + bytes(9), ["7z"]),
    "random bytes": (bytes(range(256)) * 9, ["binary file"]),
    "gzip in gzip": (gzip.compress(gzip.compress(b"text\na\n")), ["unpacked, it is a file of gzip"]),
    "tar in gzip": (gzip.compress(b"train.csv".ljust(257, b"\x00") + b"ustar" + bytes(99)), ["tar archive"]),
}  # fmt: skip


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.json", "a.jsonl"])
@pytest.mark.parametrize("case", REFUSED)
def test_other_formats_are_named_and_never_called_badly_encoded(case, name, tmp_path):
    content, words = REFUSED[case]
    message = refusal(tmp_path, content, name)
    assert all(word in message for word in words) and "iconv" not in message and "WINDOWS" not in message


def test_a_name_that_ends_otherwise_is_refused_by_what_the_file_holds(tmp_path):
    assert "files must end in .csv" in refusal(tmp_path, "text", "a.txt")
    assert "Excel" in refusal(tmp_path, XLSX, "a.xlsx")
    assert "the file is empty" in refusal(tmp_path, "", "a.csv.gz")
    assert "files must end in" in refusal(tmp_path, gzip.compress(b"text\na\n"), "a.gz")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_may_not_be_read_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("text\na\n")
    (tmp_path / "a.csv").chmod(0)
    with pytest.raises(UsageError, match="cannot be opened"):
        file_kind(tmp_path / "a.csv", "--train_file a.csv")
