"""What a file holds by its first bytes, whatever its name: compressed, a table, or nothing that can be read."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import BinaryIO

HEAD = 1 << 16  # bytes that are looked at
COMPRESSED = ("gzip", "bz2", "xz", "zstd", "zip")
TABLES = ("parquet", "arrow")

MARKS = {  # format -> its first bytes
    "gzip": b"\x1f\x8b",
    "xz": b"\xfd7zXZ\x00",
    "zstd": b"\x28\xb5\x2f\xfd",
    "arrow": b"ARROW1\x00\x00",
    "sqlite": b"SQLite format 3\x00",
    "pdf": b"%PDF-",
    "xls": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    "hdf5": b"\x89HDF\r\n\x1a\n",
    "numpy": b"\x93NUMPY",
    "7z": b"7z\xbc\xaf\x27\x1c",
    "rar": b"Rar!\x1a\x07",
    "lz4": b"\x04\x22\x4d\x18",
    "git_lfs": b"version https://git-lfs",
}
EXCEL = "is an Excel workbook. Save it in Excel as 'CSV UTF-8', and give that file."
UNPACK = "Unpack it, and give the file inside."
REFUSALS = {  # format -> what is wrong, and what to do
    "sqlite": "is an SQLite database. Export a table: sqlite3 -header -csv FILE 'SELECT * FROM TABLE' > NEW.csv",
    "pdf": "is a PDF document. Give a table with one text per row: CSV, TSV, JSON or Parquet.",
    "xls": EXCEL,
    "xlsx": EXCEL,
    "ods": "is an OpenDocument file. Convert it: soffice --headless --convert-to csv FILE",
    "docx": "is a Word document. Give a table with one text per row: CSV, TSV, JSON or Parquet.",
    "hdf5": "is an HDF5 file. Convert it to Parquet or CSV.",
    "numpy": "is a file of NumPy arrays. Convert it to Parquet or CSV.",
    "torch": "is a file of PyTorch. Files that can run code are not opened. Convert it to Parquet or CSV.",
    "pickle": "is a pickle. Pickles are not opened, because they can run code. Convert it to Parquet or CSV.",
    "7z": f"is a 7z archive. {UNPACK}",
    "rar": f"is a RAR archive. {UNPACK}",
    "lz4": f"is compressed with lz4. {UNPACK}",
    "tar": f"is a tar archive. {UNPACK}",
    "html": "is a web page, not the data: the download gave a page. Download the file itself.",
    "git_lfs": "is a pointer of Git LFS, not the data. Fetch the data: git lfs pull",
}


def find_format(head: bytes) -> str | None:
    """The format whose marks are in the first bytes of a file; None for text and for what is not known.

    Zip archives are all `zip`: `zip_format` tells workbooks from archives.
    """
    for name, mark in MARKS.items():
        if head.startswith(mark):
            return name
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if head.startswith(b"BZh") and head[4:10] in (b"1AY&SY", b"\x17\x72\x45\x38\x50\x90"):
        return "bz2"
    if head.startswith(b"PAR1") and not is_text(head):
        return "parquet"
    if head.startswith(b"\xff\xff\xff\xff") and head[4:8].strip(b"\x00"):
        return "arrow"  # the stream format, which `datasets` writes
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return "pickle"
    if head[257:262] == b"ustar":
        return "tar"
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:15].lower()
    return "html" if start.startswith((b"<!doctype html", b"<html")) else None


def is_text(head: bytes) -> bool:
    """Whether no byte is a control character that texts do not have."""
    return not any(byte < 9 or 14 <= byte < 27 for byte in head)


def read_head(path: Path) -> bytes:
    with path.open("rb") as handle:
        return handle.read(HEAD)


def zip_format(source: Path | BinaryIO) -> str:
    """`xlsx`, `ods`, `docx`, `torch`, `numpy`, or `zip` for an archive of files."""
    try:
        with zipfile.ZipFile(source) as archive:
            names = archive.namelist()
            if "mimetype" in names and archive.read("mimetype").startswith(b"application/vnd.oasis"):
                return "ods"
    except (zipfile.BadZipFile, RuntimeError, OSError):
        return "zip"
    if any(name.startswith("xl/") for name in names):
        return "xlsx"
    if any(name.startswith("word/") for name in names):
        return "docx"
    if any(name.endswith("data.pkl") for name in names):
        return "torch"
    return "numpy" if names and all(name.endswith(".npy") for name in names) else "zip"
