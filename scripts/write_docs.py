"""Write what is generated: docs/command_line.md, the core path in docs/architecture.md, and the table of all flags.

    python scripts/write_docs.py            # writes all three
    python scripts/write_docs.py --check    # writes nothing; exits with 1 and names every file that is out of date

The command-line page comes from the dataclasses in arguments.py. The core path comes from the import statements of the
source files. Neither depends on the machine or on the installed version of a library. The table of flags,
classification/cli/flag_table.json, belongs to the pinned transformers and is left alone where another one is installed.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from inspect import get_annotations
from pathlib import Path
from types import NoneType
from typing import Literal, get_args, get_origin

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from arguments import DataArguments, ModelArguments, ObjectiveArguments, RunArguments, TrainerAdditions
from classification.cli.flag_table import TABLE, origin, table_text
from classification.cli.trainer_defaults import TRAINER_DEFAULTS

COMMAND_LINE, ARCHITECTURE = ROOT / "docs" / "command_line.md", ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- core path: begin -->", "<!-- core path: end -->"

# The way from the command line to the saved model, in reading order.
CORE_PATH = (
    "run_classification.py",
    "arguments.py",
    "data_utils.py",
    "classification/data/labels.py",
    "classification/data/single_label.py",
    "classification/data/tasks.py",
    "classification/models/loading.py",
    "classification/models/weights.py",
    "classification/training/objective.py",
    "classification/training/samplers.py",
    "classification/training/trainer.py",
    "classification/evaluation/metrics.py",
)
CORE_LIMIT = 1850  # lines

INTRODUCTION = """# Which flags are there?

This page is generated from the dataclasses in `arguments.py`: run `python scripts/write_docs.py` after a change there.

```bash
python run_classification.py presets/imdb.yaml --num_train_epochs 2    # a preset; flags override it
python run_classification.py --train_file a.csv --dry_run              # no preset
python run_classification.py --help                                    # this list, and the Trainer's most used flags
python run_classification.py --help all                                # and all of TrainingArguments
```

- A preset is a YAML file of `flag: value` lines. It is the first argument, or the value of `--config`.
- `--seed 1` and `--seed=1` are the same. A true-or-false flag without a value means true.
- A flag cannot be abbreviated. An unknown flag is an error that suggests the nearest known one.
- Every flag of `transformers.TrainingArguments` works too. The last table lists those with another default here.
- Old names such as `--warmup_ratio` are translated; see [migrating.md](migrating.md).
"""
TYPES = {str: "text", int: "integer", float: "number", bool: "true or false"}


# -------------------------------------------------------------------------------------------------- the command line


def command_line_page() -> str:
    """The whole of docs/command_line.md: one table per group of flags, then the changed defaults of the Trainer."""
    groups = (DataArguments, ModelArguments, ObjectiveArguments, RunArguments)
    tables = [group_section(group) for group in groups]
    return "\n".join([INTRODUCTION, *tables, trainer_section()])


def group_section(group: type) -> str:
    title = getattr(group, "_argument_group_name", group.__name__)
    return "\n".join(
        [f"## {title[:1].upper()}{title[1:]}", "", *first_paragraph(group.__doc__), "", *flag_table(group)]
    )


def flag_table(group: type) -> list[str]:
    """One Markdown row per flag that the dataclass declares itself, not one that it inherits."""
    types = get_annotations(group, eval_str=True)
    rows = [
        f"| `--{entry.name}` | {value_of(types[entry.name])} | {default_of(entry)} | {help_of(entry)} |"
        for entry in fields(group)
        if entry.name in types
    ]
    return ["| flag | value | default | what it does |", "|---|---|---|---|", *rows, ""]


def trainer_section() -> str:
    rows = [f"| `--{name}` | {code(value)} |" for name, value in TRAINER_DEFAULTS.items()]
    return "\n".join(
        [
            "## Trainer",
            "",
            "All flags of `transformers.TrainingArguments` are accepted. One of them has a further meaning here:",
            "",
            *flag_table(TrainerAdditions),
            "These start from another default than the library's:",
            "",
            "| flag | default here |",
            "|---|---|",
            *rows,
            "",
        ]
    )


def value_of(hint: object) -> str:
    """What a flag of this type takes: its choices, or a word for the type."""
    if get_origin(hint) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(hint))
    inner = [argument for argument in get_args(hint) if argument is not NoneType]
    if len(inner) == 1:  # X | None
        return value_of(inner[0])
    return TYPES.get(hint, "text")


def default_of(entry: Field) -> str:
    """A flag's default; blank where there is none, and where the help text names what is done without the flag."""
    if "Default:" in entry.metadata.get("help", ""):
        return ""
    return code(entry.default_factory() if entry.default_factory is not MISSING else entry.default)


def code(value: object) -> str:
    """A value as it is typed on the command line; blank for None and for an empty string."""
    if value is None or value == "":
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def help_of(entry: Field) -> str:
    """The help text of a flag in a Markdown table; argparse doubles its percent signs."""
    text = " ".join(entry.metadata.get("help", "").split()).replace("%%", "%")
    for mark in ("|", "*", "<"):
        text = text.replace(mark, "\\" + mark)
    return text


# ------------------------------------------------------------------------------------------------------ the core path


def core_path_section() -> str:
    """The part of docs/architecture.md between its markers: the files of the core path with their lines, and what else
    a run of the quickstart imports."""
    lines = core_path_lines()
    core = [f"| `{name}` | {count} | {purpose(ROOT / name)} |" for name, count in lines.items()]
    at_start, later = imported_files()
    return "\n".join(
        [
            BEGIN,
            f"The path from the command line to the saved model is {sum(lines.values()):,} lines in {len(lines)} files "
            f"(limit: {CORE_LIMIT:,}):",
            "",
            "| file | lines | what it does |",
            "|---|--:|---|",
            *core,
            f"| sum | {sum(lines.values()):,} | |",
            "",
            "Optional reading: the other files that `run_classification.py` imports when it starts.",
            "",
            *purpose_table(at_start),
            *(["Imported later, by the step that needs them:", "", *purpose_table(later)] if later else []),
            END,
        ]
    )


def core_path_lines() -> dict[str, int]:
    """Lines of each file of the core path, by its name."""
    return {name: len((ROOT / name).read_text(encoding="utf-8").splitlines()) for name in CORE_PATH}


def purpose_table(files: list[Path]) -> list[str]:
    rows = [
        f"| `{name}` | {purpose(file)} |"
        for file in files
        if (name := file.relative_to(ROOT).as_posix()) not in CORE_PATH
    ]
    return ["| file | what it does |", "|---|---|", *rows, ""]


def imported_files() -> tuple[list[Path], list[Path]]:
    """The files of this project that `import run_classification` executes, and those that functions of these import
    later; both sorted, without `__init__.py` files that hold a docstring alone."""
    start = ROOT / "run_classification.py"
    at_start = reachable({start}, deferred=False)
    later = reachable(at_start, deferred=True) - at_start
    return tuple(sorted(file for file in files if has_code(file)) for files in (at_start, later))


def reachable(files: set[Path], *, deferred: bool) -> set[Path]:
    """`files`, and all that their import statements reach, one import after another.

    Args:
        deferred: whether the import statements inside functions count too.
    """
    reached, waiting = set(files), list(files)
    while waiting:
        new = direct_imports(waiting.pop(), deferred=deferred) - reached
        reached |= new
        waiting += new
    return reached


def direct_imports(file: Path, *, deferred: bool) -> set[Path]:
    """The files of this project that one file imports, with the `__init__.py` of every folder above them."""
    names: set[str] = set()
    for node, in_function in import_statements(ast.parse(file.read_text(encoding="utf-8"))):
        if in_function and not deferred:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    parts = [name.split(".") for name in names]
    prefixes = {"/".join(part[:end]) for part in parts for end in range(1, len(part) + 1)}
    candidates = (ROOT / f"{prefix}{ending}" for prefix in prefixes for ending in (".py", "/__init__.py"))
    return {candidate for candidate in candidates if candidate.is_file()}


def import_statements(node: ast.AST, in_function: bool = False) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Every import statement below `node` with whether it is inside a function; type checkers' imports are left out."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, in_function
        elif not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)):
            yield from import_statements(child, in_function or isinstance(child, ast.FunctionDef))


def has_code(file: Path) -> bool:
    """Whether a file holds more than its docstring."""
    return file.name != "__init__.py" or len(ast.parse(file.read_text(encoding="utf-8")).body) > 1


def purpose(file: Path) -> str:
    """The first sentence of a file's docstring, for a Markdown table."""
    paragraph = " ".join(first_paragraph(ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))))
    sentence = paragraph if file.name == "__init__.py" else re.split(r"\.\s+(?=[A-Z])", paragraph)[0]
    return sentence.rstrip(".").replace("|", "\\|")


def first_paragraph(docstring: str | None) -> list[str]:
    """The lines of a docstring up to its first blank line."""
    lines = [line.strip() for line in (docstring or "").strip().splitlines()]
    return lines[: lines.index("")] if "" in lines else lines


# ----------------------------------------------------------------------------------------------------------- the pages


def architecture_page() -> str:
    """docs/architecture.md with a new core path; the rest of the page is written by hand."""
    page = ARCHITECTURE.read_text(encoding="utf-8")
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        sys.exit(f"error: {ARCHITECTURE.relative_to(ROOT)} must hold the lines {BEGIN} and {END} once each.")
    before, after = page[: page.index(BEGIN)], page[page.index(END) + len(END) :]
    return before + core_path_section() + after


def generated() -> dict[Path, str]:
    """File -> its content."""
    files = {COMMAND_LINE: command_line_page(), ARCHITECTURE: architecture_page()}
    if f"transformers=={origin()['transformers']}\n" in (ROOT / "requirements.txt").read_text(encoding="utf-8"):
        from classification.cli.library_flags import build_flags  # imports transformers

        files[TABLE] = table_text(build_flags())
    return files


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a file is out of date")
    return parser


def main(argv: list[str] | None = None) -> None:
    check = make_parser().parse_args(argv).check
    changed = False
    for path, page in generated().items():
        name = path.relative_to(ROOT).as_posix()
        if path.is_file() and path.read_text(encoding="utf-8") == page:
            continue
        changed = True
        if check:
            print(f"{name} is out of date: run python scripts/write_docs.py")
        else:
            path.write_text(page, encoding="utf-8")
            print(f"{name} is written")
    if check and changed:
        sys.exit(1)


if __name__ == "__main__":
    main()
