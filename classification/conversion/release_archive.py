"""The files of a release, from a folder or from a zip file whose every claim is checked before it is believed."""

from __future__ import annotations

import os
import re
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from classification.conversion.release_files import is_hidden
from classification.errors import UsageError, first_line
from classification.system.files import disk_problem

MOST_ENTRIES = 10_000
RATIO = 100  # float weights shrink to 0.9 of their size, a vocabulary to 0.4
SMALL = 1_000_000  # bytes; below this any ratio is fine
BLOCK = 1 << 20
ENCRYPTED = 0x1
AGAIN = "Download it again from the place that published it."
# What zipfile raises for a damaged file; ValueError for names that are no UTF-8, OSError for places outside the file.
BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, ArithmeticError,
          ValueError, OSError)  # fmt: skip
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@contextmanager
def open_release(path: Path, where: str) -> Iterator[Release]:
    """The files of a folder or a zip file.

    Args:
        where: begins the message of an error.

    Raises:
        UsageError: it is neither, or a zip file that cannot be trusted.
    """
    if path.is_dir():
        yield FolderRelease(path, where)
        return
    try:
        with path.open("rb") as handle:
            is_zip = handle.read(2) == b"PK"
    except OSError as error:
        raise UsageError(f"{where}: cannot be read ({error.strerror}). Allow it, or copy the file.") from error
    if not is_zip:
        raise UsageError(f"{where}: is neither a folder nor a zip file. Unpack it and pass the folder.")
    try:
        archive = zipfile.ZipFile(path)
    except BROKEN as error:
        raise UsageError(f"{where}: is truncated or damaged ({first_line(error)}) {AGAIN}") from error
    with archive:
        yield ZipRelease(archive, where)


class FolderRelease:
    """The files of a folder, and of the folders directly inside it, by their names with `/`."""

    unpacks = False

    def __init__(self, folder: Path, where: str):
        self.folder, self.where = folder, where
        try:
            inner = sorted(path for path in folder.iterdir() if path.is_dir() and not is_hidden(path.name))
            files = [path for place in (folder, *inner) if os.access(place, os.R_OK | os.X_OK)
                     for path in place.iterdir() if path.is_file()]  # fmt: skip
        except OSError as error:
            raise UsageError(f"{where}: cannot be read ({error.strerror}). Allow it, or copy the folder.") from error
        self.names = tuple(path.relative_to(folder).as_posix() for path in files)

    def size(self, name: str) -> int:
        """Bytes of a file."""
        return (self.folder / name).stat().st_size

    def place(self, name: str, folder: Path, limit: int) -> Path:
        """The path of a file; nothing is written into `folder`.

        Raises:
            UsageError: it cannot be read, is empty, or has more than `limit` bytes.
        """
        path = (self.folder / name).absolute()
        if not os.access(path, os.R_OK):
            raise UsageError(f"{self.where}: {name} cannot be read. Allow it, or copy the folder.")
        if not 0 < (size := self.size(name)) <= limit:
            raise UsageError(f"{self.where}: {describe_size(name, size, limit)} {AGAIN}")
        return path


class ZipRelease:
    """The files of a zip file, by their names with `/`. Only the last part of a name ever becomes a path."""

    unpacks = True

    def __init__(self, archive: zipfile.ZipFile, where: str):
        self.archive, self.where = archive, where
        infos = archive.infolist()
        if len(infos) > MOST_ENTRIES:
            raise UsageError(f"{where}: holds {len(infos)} files, and a checkpoint has about six. {AGAIN}")
        self.infos: dict[str, zipfile.ZipInfo] = {}
        for info in infos:
            name = safe_name(info, where)
            if info.is_dir() or is_hidden(name):
                continue
            if name in self.infos:
                raise UsageError(f"{where}: holds {name!r} twice. {AGAIN}")
            self.infos[name] = info
        self.names = tuple(self.infos)

    def size(self, name: str) -> int:
        """Bytes of a file when it is unpacked, as the zip file claims."""
        return self.infos[name].file_size

    def place(self, name: str, folder: Path, limit: int) -> Path:
        """Unpack a file into `folder`; returns its path.

        Raises:
            UsageError: it is damaged, empty, encrypted, or has more than `limit` bytes.
            OSError: the disk refuses it.
        """
        info = self.infos[name]
        if info.flag_bits & ENCRYPTED:
            raise UsageError(f"{self.where}: {name} is encrypted. Unpack it with its password and pass the folder.")
        if info.compress_type not in METHODS:  # Deflate64, bzip2, LZMA: no published checkpoint has them
            raise UsageError(f"{self.where}: {name} is compressed in a rare way. Unpack it and pass the folder.")
        if not 0 < info.file_size <= limit:
            raise UsageError(f"{self.where}: {describe_size(name, info.file_size, limit)} {AGAIN}")
        if info.file_size > max(SMALL, RATIO * info.compress_size):
            times = f"{info.file_size / max(info.compress_size, 1):,.0f}"
            raise UsageError(
                f"{self.where}: {name} unpacks to {times} times its size, as no weights do: it may be made to fill the "
                f"disk. {AGAIN}"
            )
        path = folder / PurePosixPath(name).name
        try:
            with self.archive.open(info) as source, path.open("xb") as target:
                shutil.copyfileobj(source, target, BLOCK)  # zipfile reads no more bytes than the file claims
                copied = target.tell()
        except BROKEN as error:
            if disk_problem(error):
                raise
            raise UsageError(f"{self.where}: {name} is truncated or damaged ({first_line(error)}) {AGAIN}") from error
        if copied != info.file_size:
            raise UsageError(f"{self.where}: {name} has not the {info.file_size:,} bytes that the file names. {AGAIN}")
        return path


Release: TypeAlias = FolderRelease | ZipRelease


def safe_name(info: zipfile.ZipInfo, where: str) -> str:
    """The name of a file in a zip file, with `/`.

    Raises:
        UsageError: a path that leaves the folder or has control characters, or a link.
    """
    name = info.orig_filename.replace("\\", "/")
    parts = name.split("/")
    if ".." in parts or name.startswith("/") or re.match(r"[A-Za-z]:", name) or re.search(r"[\x00-\x1f]", name):
        raise UsageError(f"{where}: holds the path {info.orig_filename!r}, which leaves the folder. {AGAIN}")
    if stat.S_ISLNK(info.external_attr >> 16):
        raise UsageError(f"{where}: holds a link, {name!r}, which no checkpoint has. {AGAIN}")
    return str(PurePosixPath(name))


def describe_size(name: str, size: int, limit: int) -> str:
    if not size:
        return f"{name} is empty."
    return f"{name} has {size:,} bytes, and such a file of this model has at most {limit:,}."
