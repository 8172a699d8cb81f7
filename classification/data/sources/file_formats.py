"""Which data files are read: by their first bytes, and by the end of their names; and which are written.

Only the standard library is imported here: the flags are checked before any other library is loaded.
"""

from __future__ import annotations

import zipfile
from pathlib import Path, PurePosixPath

from classification.data.sources.first_bytes import (
    COMPRESSED,
    REFUSALS,
    TABLES,
    find_format,
    is_text,
    read_head,
    zip_format,
)
from classification.errors import UsageError, first_line, join_first

KINDS = {  # suffix -> kind of file
    ".csv": "csv", ".tsv": "tsv", ".json": "json", ".jsonl": "json", ".ndjson": "json", ".parquet": "parquet",
    ".arrow": "arrow",
}  # fmt: skip
PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip")
TEXT_ENDING = ".txt"  # one text per line
WRITTEN = ("csv", "tsv", "jsonl", "json", "parquet", "arrow")
ENDINGS = {f".{name}": name for name in WRITTEN} | {  # of a file that is written -> its format
    ".ndjson": "jsonl", ".tab": "tsv", ".pq": "parquet", ".feather": "arrow", ".ipc": "arrow",
}  # fmt: skip


def file_kind(path: Path, place: str) -> str:
    """`csv`, `tsv`, `json`, `parquet` or `arrow`: by the first bytes of a table, else by the suffix.

    Args:
        place: how errors name the file.

    Raises:
        UsageError: a file that cannot be opened, a format that cannot be read, or a suffix that is not known.
    """
    try:
        head = read_head(path)
    except OSError as error:
        raise UsageError(f"{place}: cannot be opened ({error.strerror}). Make the file readable.") from error
    content = find_format(head)
    if content in TABLES:
        return content
    if refusal := refusal_of(path, content):
        raise UsageError(f"{place}: {refusal}")
    name = path.name
    if path.suffix.lower() in PACKED:
        name = member_name(path, place) if content == "zip" and not suffix_kind(path.stem) else path.stem
    kind = suffix_kind(name)
    if not kind:
        raise UsageError(
            f"{place}: files must end in {join_first(KINDS, 9)}, and may be compressed ({join_first(PACKED, 9)}). "
            "Rename or convert it."
        )
    if kind in TABLES:
        raise UsageError(f"{place}: {describe_other_content(kind, content, head)}")
    return kind


def refusal_of(path: Path, content: str | None) -> str | None:
    """Why a file of the format `content` cannot be read and what to do; None where it can be read or is not known."""
    if content == "zip":
        content = zip_format(path)
    return REFUSALS.get(content or "", "").replace("FILE", str(path)) or None


def describe_other_content(kind: str, content: str | None, head: bytes) -> str:
    """What is wrong with a file whose suffix promises a table that its first bytes do not have."""
    if content in COMPRESSED:
        return f"is compressed with {content}. Files of {kind.title()} are read unpacked: unpack it."
    if not head:
        return "the file is empty. Give a file with at least one row."
    remedy = "It looks like text: end its name in .csv, .tsv or .jsonl." if is_text(head) else "Write it anew."
    return f"cannot be read as {kind}: it does not begin as such a file does. {remedy}"


def member_name(path: Path, place: str) -> str:
    """The name of the one file in a zip archive.

    Raises:
        UsageError: a broken archive, or none or several files.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/") and not is_hidden(name)]
    except zipfile.BadZipFile as error:
        raise UsageError(f"{place}: cannot be unpacked: {first_line(error)} Copy or download it again.") from error
    if len(names) != 1:
        files = f"{len(names)} files ({join_first(names, 3)})" if names else "no files"
        raise UsageError(f"{place}: the archive has {files}. Unpack it, and give one file.")
    return names[0]


def suffix_kind(name: str) -> str | None:
    return KINDS.get(PurePosixPath(name).suffix.lower())


def format_of_name(path: str) -> str | None:
    """The format that the end of a name tells, also of a compressed file; None where it tells none.

    >>> format_of_name("a.CSV"), format_of_name("a.jsonl.gz"), format_of_name("a.txt"), format_of_name("a")
    ('csv', 'jsonl', 'text', None)
    """
    name = PurePosixPath(path)
    if name.suffix.lower() in PACKED:
        name = PurePosixPath(name.stem)
    suffix = name.suffix.lower()
    return "text" if suffix == TEXT_ENDING else ENDINGS.get(suffix)


def looks_like_file(name: str) -> bool:
    """Whether a name is one of a file, and not of a data set on the Hub: `owner/name`, or an old name."""
    known = (*KINDS, *ENDINGS, *PACKED, TEXT_ENDING, ".xlsx")
    is_path = name.startswith((".", "/", "~")) or name.count("/") != 1 or "\\" in name or Path(name).parent.is_dir()
    return name.lower().endswith(known) or (is_path and ("/" in name or "." in name or "\\" in name))


def is_hidden(name: str) -> bool:
    """Whether a file or a folder above it is hidden or belongs to a file manager.

    >>> is_hidden("pos/._0.txt"), is_hidden("__MACOSX/0.txt"), is_hidden("pos/0.txt")
    (True, True, False)
    """
    parts = PurePosixPath(name).parts
    return any(
        part.startswith(".") and part not in (".", "..") or part in ("__MACOSX", "__pycache__") for part in parts
    )
