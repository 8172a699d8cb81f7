"""A zip file is not believed: what leaves the folder, fills the disk or is damaged is refused, in one line."""

from __future__ import annotations

import os
import stat
import struct
import zipfile
from contextlib import suppress

import pytest
from made_releases import make_folder, make_zip, release_files

from classification.conversion import release_archive
from classification.conversion.release_archive import open_release
from classification.errors import UsageError

LIMIT = 10_000_000
DATA = "bert_model.ckpt.data-00000-of-00001"


def unpack(path, folder, limit=LIMIT):
    """Open a release and unpack every file of it."""
    folder.mkdir(exist_ok=True)
    with open_release(path, "ZIP_OR_DIR it") as release:
        return {name: release.place(name, folder, limit).read_bytes() for name in release.names}


def refused(path, folder, *words, limit=LIMIT):
    outside = sorted(folder.parent.iterdir())
    with pytest.raises(UsageError) as error:
        unpack(path, folder, limit)
    text = str(error.value)
    assert text.startswith("ZIP_OR_DIR it: ") and "\n" not in text, text
    assert not [word for word in words if word not in text], text
    assert sorted(folder.parent.iterdir()) in (outside, sorted([*outside, folder]))
    return text


def test_files_come_out_as_they_went_in(tmp_path):
    files = release_files()
    assert unpack(make_zip(tmp_path / "a.zip", files), tmp_path / "a") == files
    assert unpack(make_folder(tmp_path / "b", files), tmp_path / "c") == files
    inner = unpack(make_zip(tmp_path / "d.zip", files, inside="uncased"), tmp_path / "d")
    assert inner == {f"uncased/{name}": content for name, content in files.items()}


@pytest.mark.parametrize(
    "name",
    ["../evil", "a/../../evil", "/etc/evil", "C:evil", "c:\\evil", "..\\evil", "a\\..\\..\\evil", "\\evil", "a/..",
     "evil\x00.txt", "a\nb", "//host/evil"],
)  # fmt: skip
def test_a_path_that_leaves_the_folder_is_refused(tmp_path, name):
    path = make_zip(tmp_path / "a.zip")
    other = name.replace("\x00", "N")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(other, b"evil")
    if other != name:  # zipfile writes no zero bytes
        path.write_bytes(path.read_bytes().replace(other.encode(), name.encode()))
    refused(path, tmp_path / "out", "which leaves the folder. Download it again")
    assert not list(tmp_path.rglob("evil*"))


def test_a_link_is_refused(tmp_path):
    path = make_zip(tmp_path / "a.zip")
    link = zipfile.ZipInfo("bert_config.link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    refused(path, tmp_path / "out", "holds a link, 'bert_config.link'")


def test_a_name_that_is_there_twice_is_refused(tmp_path):
    path = make_zip(tmp_path / "a.zip")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("vocab.txt", b"other")
    refused(path, tmp_path / "out", "holds 'vocab.txt' twice")


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    files = release_files() | {DATA: bytes(5_000_000)}
    folder = tmp_path / "out"
    refused(make_zip(tmp_path / "a.zip", files), folder, "times its size, as no weights do: it may be made to fill")
    assert sum(path.stat().st_size for path in folder.iterdir()) < 10_000


def test_more_bytes_than_a_model_has_are_refused(tmp_path):
    files = {DATA: os.urandom(2000)}
    refused(make_zip(tmp_path / "a.zip", files), tmp_path / "a", f"{DATA} has 2,000 bytes", "at most 1,999", limit=1999)
    refused(make_folder(tmp_path / "b", files), tmp_path / "c", f"{DATA} has 2,000 bytes", limit=1999)


@pytest.mark.parametrize("claim", [10, 1_000, 3_000])
def test_a_size_that_is_not_true_is_refused(tmp_path, claim):
    """The file says 10 bytes and holds 2,000, or the other way round: the bytes that come out are counted."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(DATA, os.urandom(2000))
    content = bytearray(path.read_bytes())
    place = content.index(b"PK\x01\x02") + 24  # the size in the list of files at the end
    content[place : place + 4] = struct.pack("<I", claim)
    path.write_bytes(content)
    refused(path, tmp_path / "out", DATA, "Download it again")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.99])
def test_a_truncated_file_is_refused(tmp_path, share):
    path = make_zip(tmp_path / "a.zip")
    content = path.read_bytes()
    path.write_bytes(content[: max(int(share * len(content)), 2)])
    refused(path, tmp_path / "out", "is truncated or damaged (", "Download it again from the place that published it.")


def test_a_changed_byte_is_found(tmp_path):
    path = make_zip(tmp_path / "a.zip")
    content = bytearray(path.read_bytes())
    content[content.index(DATA.encode()) + 3000] ^= 0xFF
    path.write_bytes(content)
    refused(path, tmp_path / "out", f"{DATA} is truncated or damaged (")


def test_an_encrypted_file_and_an_unknown_compression_are_refused(tmp_path):
    for place, value, words in (
        (8, 1, "is encrypted. Unpack it with its password"),
        (10, 97, "compressed in a rare way"),
    ):
        path = make_zip(tmp_path / f"{value}.zip", {DATA: b"weights"})
        content = bytearray(path.read_bytes())
        at = content.index(b"PK\x01\x02") + place
        content[at : at + 2] = struct.pack("<H", value)
        path.write_bytes(content)
        refused(path, tmp_path / f"out{value}", DATA, words)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_rare_compression_is_to_be_unpacked_elsewhere(tmp_path, method):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as archive:
        archive.writestr(DATA, b"weights")
    refused(tmp_path / "a.zip", tmp_path / "out", "compressed in a rare way. Unpack it and pass the folder.")
    zipfile.ZipFile(tmp_path / "a.zip").extractall(tmp_path / "folder")
    assert unpack(tmp_path / "folder", tmp_path / "out") == {DATA: b"weights"}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_any_changed_byte_is_harmless_or_one_line(tmp_path, method):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as archive:
        archive.writestr("vocabulaire é/vocab.txt", b"[PAD]\nthe\nThe")
    content = (tmp_path / "a.zip").read_bytes()
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 0xFF
        (tmp_path / "a.zip").write_bytes(changed)
        with suppress(UsageError):
            unpack(tmp_path / "a.zip", tmp_path / f"out-{place}")


def test_a_file_that_cannot_be_opened_is_one_line(tmp_path):
    (tmp_path / "a.zip").symlink_to("a.zip")
    refused(tmp_path / "a.zip", tmp_path / "out", "cannot be read (", "Allow it, or copy the file.")


def test_a_disk_that_fills_up_is_no_damaged_file(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(release_archive.shutil, "copyfileobj", full)
    with pytest.raises(OSError, match="No space left"):
        unpack(make_zip(tmp_path / "a.zip"), tmp_path / "out")


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b\x08 gzip", b"ustar", b"P", b"\x80\x04."])
def test_another_kind_of_file_is_refused(tmp_path, content):
    (tmp_path / "a.zip").write_bytes(content)
    refused(tmp_path / "a.zip", tmp_path / "out", "is neither a folder nor a zip file. Unpack it and pass the folder.")


def test_an_empty_file_inside_is_refused(tmp_path):
    files = release_files() | {DATA: b""}
    refused(make_zip(tmp_path / "a.zip", files), tmp_path / "a", f"{DATA} is empty")
    refused(make_folder(tmp_path / "b", files), tmp_path / "c", f"{DATA} is empty")


def test_thousands_of_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(release_archive, "MOST_ENTRIES", 4)
    refused(make_zip(tmp_path / "a.zip"), tmp_path / "out", "holds 5 files, and a checkpoint has about six")


def test_windows_separators_and_what_systems_leave_are_fine(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("uncased\\vocab.txt", "__MACOSX/uncased/._vocab.txt", "uncased/.DS_Store"):
            archive.writestr(name, b"[PAD]\n")
    assert unpack(path, tmp_path / "out") == {"uncased/vocab.txt": b"[PAD]\n"}
