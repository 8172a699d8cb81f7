"""From Google's release of a BERT to a folder that everything here loads, in the order in which it happens."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from classification.conversion.bert_settings import BertSettings, read_settings
from classification.conversion.converted_model import write_model
from classification.conversion.new_folder import check_out, move, workplace
from classification.conversion.release_archive import Release, open_release
from classification.conversion.release_files import ReleaseFiles, choose_files
from classification.conversion.tf_variables import read_variables
from classification.conversion.variable_names import Account, account_for, known_variables
from classification.conversion.word_pieces import Casing, choose_casing, read_vocabulary
from classification.errors import UsageError, own_error
from classification.messages.log import Line, log_lines, warning
from classification.system.files import disk_problem, free_bytes

CONFIG_LIMIT, VOCABULARY_LIMIT = 1_000_000, 20_000_000  # bytes; the largest vocabularies have 5 MB
COPIES = 5  # of the weights in a checkpoint: Adam keeps two more, averages one or two
SMALL_PARTS = 50_000_000  # bytes: names, and what else a trainer keeps
NUMBER = 4  # bytes of an fp32


@dataclass(frozen=True)
class ConversionChoice:
    """What to convert, and how.

    Args:
        source: folder or zip file. out: the new folder.
        lower_case: None to decide by the release. checkpoint: which one; None for the only one.
    """

    source: Path
    out: Path
    lower_case: bool | None = None
    checkpoint: str | None = None

    @property
    def where(self) -> str:
        return f"ZIP_OR_DIR {self.source}"


def convert(choice: ConversionChoice, find_python: Callable[[], Sequence[str]]) -> Account:
    """Convert a checkpoint; nothing is left behind after an error.

    Args:
        find_python: the words that start a Python with TensorFlow; called when the files have proved to be sound.

    Returns:
        What became of each variable.

    Raises:
        UsageError: the release, or OUT. RunError: TensorFlow cannot be installed or does not run, or the disk is full.
    """
    where = choice.where
    check_out(choice.out)
    try:
        with workplace(choice.out) as work, open_release(choice.source, where) as release:
            files = choose_files(release.names, where, choice.checkpoint)
            settings = read_settings(release.place(files.config, work, CONFIG_LIMIT), where)
            vocabulary = read_vocabulary(release.place(files.vocabulary, work, VOCABULARY_LIMIT), settings, where)
            casing = choose_casing(choice.lower_case, settings, names_of(choice, files), vocabulary, where)
            log_lines(describe(choice, files, settings))
            log_lines(describe_casing(casing, vocabulary))
            prefix = place_checkpoint(release, files, settings, work, where)
            wanted = known_variables(settings, classes=2)
            with read_variables(find_python(), prefix, wanted, work, where) as variables:
                account = account_for(variables.stored, settings, where)
                log_lines([Line("variables", account.describe())])
                write_model(work / "model", settings, variables, account, vocabulary, casing, where)
            move(work / "model", choice.out)
    except OSError as error:
        if (problem := disk_problem(error)) is None and error.filename is None:
            raise
        reason = problem or error.strerror
        raise own_error(f"OUT {choice.out}: {error.filename or 'a file'} cannot be written or read ({reason}). Free "
                        "some space, or name an OUT on another disk.") from error  # fmt: skip
    log_lines(next_lines(choice.out, account))
    return account


def describe(choice: ConversionChoice, files: ReleaseFiles, settings: BertSettings) -> list[Line]:
    lines = [Line("checkpoint", f"{files.checkpoint} in {choice.source}: {settings.describe()}")]
    if settings.unread:
        lines.append(warning(f"settings of {files.config} that a BERT does not have: {', '.join(settings.unread)}"))
    return lines


def describe_casing(casing: Casing, vocabulary: Mapping[str, int]) -> list[Line]:
    doubt = casing.doubt(vocabulary)
    return [Line("casing", casing.describe()), *([warning(f"{casing.reason} {doubt}")] if doubt else [])]


def names_of(choice: ConversionChoice, files: ReleaseFiles) -> list[str]:
    """The names that may tell the casing: of the zip file or folder, and of the folder inside it."""
    return [choice.source.resolve().name, PurePosixPath(files.folder).name]


def place_checkpoint(release: Release, files: ReleaseFiles, settings: BertSettings, work: Path, where: str) -> Path:
    """Have the files of the checkpoint beside each other; returns their path without the endings.

    Raises:
        UsageError: more bytes than a checkpoint of this model can have, or than the disk has room for.
    """
    numbers = sum(math.prod(variable.shape) for variable in known_variables(settings).values())
    limit = COPIES * NUMBER * numbers + SMALL_PARTS
    total = sum(map(release.size, files.parts))
    if total > limit:
        raise UsageError(
            f"{where}: its checkpoint has {total / 1e9:,.2f} GB, and one of this config has at most "
            f"{limit / 1e9:,.2f} GB. Take the bert_config.json of this checkpoint, or download it again."
        )
    needed, free = (total if release.unpacks else 0) + 2 * NUMBER * numbers + SMALL_PARTS, free_bytes(work)
    if free is not None and free < needed:
        raise UsageError(
            f"OUT: the conversion needs {needed / 1e9:.2f} GB on this disk, and {free / 1e9:.2f} GB are free. Free "
            "some space, or name an OUT on another disk."
        )
    paths = [release.place(name, work, limit) for name in files.parts]
    return paths[0].with_name(PurePosixPath(files.checkpoint).name)


def next_lines(out: Path, account: Account) -> list[Line]:
    name = shlex.quote(str(out))
    lines = [Line("", f"\nFiles in {out}: config.json, model.safetensors, tokenizer.json, conversion.json")]
    if account.classes:
        lines.append(Line("", f"Its {account.classes} classes have no names: write them into id2label of config.json."))
    return [
        *lines,
        Line("", f"\nTrain it:\n  python run_classification.py --model_name_or_path {name} --train_file ..."),
    ]
