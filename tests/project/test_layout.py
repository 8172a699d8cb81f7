"""The shape of the project: a folder imports lower floors only, a file is short, a task is decided in one place."""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
import write_docs
from helpers import ROOT

FLOORS = {  # by folder or file; the longest prefix counts
    "classification/__init__.py": 0, "classification/errors.py": 0,
    "classification/messages": 0, "classification/system": 0,
    "arguments.py": 0,
    "classification/baselines.py": 0,  # the old place of a command
    "classification/data": 1, "classification/models/kernels": 1,
    "classification/data/sources": 2, "classification/data/quality": 2,
    "classification/models": 2, "classification/evaluation": 2,
    "classification/training": 3, "classification/inference": 3, "classification/conversion": 3,
    "classification/export": 4, "classification/serving": 4,
    "classification/reporting": 4, "classification/cli": 4, "classification/report": 4,
    "classification/report/page": 5, "classification/report/card": 5,
    "classification/experiments": 6,
    "data_utils.py": 7, "run_classification.py": 7, "predict.py": 7, "scripts": 8,
}  # fmt: skip
SOURCES = sorted(
    file for pattern in ("*.py", "classification/**/*.py", "scripts/**/*.py") for file in ROOT.glob(pattern)
)
PACKAGE = [path for path in SOURCES if path.is_relative_to(ROOT / "classification")]
TASK_CLASSES = {"SingleLabel", "MultiLabel", "Regression"}
TASK_FILES = {"labels.py", "single_label.py", "multi_label.py", "regression.py", "tasks.py"}  # in data/: they are tasks


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def count_lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def functions(path: Path) -> dict[str, int]:
    """Name -> number of lines, of every function of a file."""
    nodes = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.FunctionDef)]
    return {f"{name_of(path)}:{node.lineno} {node.name}": node.end_lineno - node.lineno + 1 for node in nodes}


# ------------------------------------------------------------------------------------------------------------- floors


def place(path: Path) -> str:
    """The entry of `FLOORS` that a file belongs to."""
    name = name_of(path)
    return max((entry for entry in FLOORS if name == entry or name.startswith(entry + "/")), key=len)


def imported_files(path: Path) -> set[Path]:
    """The files of this project that a file imports."""
    names = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    files = {ROOT / f"{name.replace('.', '/')}{ending}" for name in names for ending in (".py", "/__init__.py")}
    return files & set(SOURCES)


def wrong_imports(path: Path) -> list[str]:
    own = place(path)
    wrong = []
    for file in imported_files(path):
        other = place(file)
        if FLOORS[other] > FLOORS[own] or (FLOORS[other] == FLOORS[own] and other != own and FLOORS[own] not in (0, 7)):
            wrong.append(f"{name_of(path)} (floor {FLOORS[own]}) imports {name_of(file)} (floor {FLOORS[other]})")
        if file.name == "arguments.py" and own.startswith("classification") and own != "classification/cli":
            wrong.append(f"{name_of(path)} imports arguments.py; only cli/ may")
    return wrong


def test_a_folder_imports_lower_floors_only():
    wrong = [line for path in SOURCES for line in wrong_imports(path)]
    assert not wrong, "\n".join(wrong)


def test_options_stay_in_the_command_line_and_the_experiments():
    """What lies below gets the values that it needs, not all options."""
    allowed = (
        "classification/cli/",
        "classification/experiments/",
        "run_classification.py",
        "predict.py",
        "data_utils.py",
        "scripts/",
    )
    wrong = []
    for path in SOURCES:
        if not name_of(path).startswith(allowed):
            tokens = tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline)
            wrong += [f"{name_of(path)}:{token.start[0]}" for token in tokens
                      if token.type == tokenize.NAME and token.string in ("options", "Options")]  # fmt: skip
    assert not wrong


def test_every_folder_describes_what_goes_in_and_what_comes_out():
    folders = {path.parent for path in PACKAGE}
    texts = {folder: ast.get_docstring(tree_of(folder / "__init__.py")) or "" for folder in folders}
    assert len(folders) >= 10 and not [folder for folder, text in texts.items() if len(text) < 60]


def test_module_names_are_unique():
    """Except the old place of a command, which answers with the new one."""
    modules = [path for path in PACKAGE if path.name != "__init__.py" and path != ROOT / "classification/baselines.py"]
    names = Counter(path.name for path in modules)
    assert not [name for name, count in names.items() if count > 1]


def test_no_file_shadows_a_library():
    libraries = {"torch", "transformers", "datasets", "accelerate", "evaluate", "sklearn", "tokenizers", "peft", "yaml"}
    assert not {path.stem for path in SOURCES} & (set(sys.stdlib_module_names) | libraries)


# --------------------------------------------------------------------------------------------------------------- size


@pytest.mark.parametrize(
    ("name", "limit"),
    [("run_classification.py", 180), ("data_utils.py", 230), ("arguments.py", 320),
     ("README.md", 150), ("README.zh-CN.md", 150)],
)  # fmt: skip
def test_a_file_keeps_its_limit_of_lines(name, limit):
    assert count_lines(ROOT / name) <= limit


def test_a_file_is_read_at_one_sitting():
    assert not {name_of(path): count for path in SOURCES if (count := count_lines(path)) > 320}


def test_a_file_begins_with_its_docstring():
    assert not [name_of(path) for path in SOURCES if not path.read_text(encoding="utf-8").startswith('"""')]


def test_functions_fit_on_a_screen():
    lengths = {name: count for path in SOURCES for name, count in functions(path).items()}
    long = {name: count for name, count in lengths.items() if count >= 45}
    assert len(long) <= 0.05 * len(lengths), long
    assert max(lengths.values()) <= 70, max(lengths, key=lengths.get)


def test_main_and_run_read_like_a_table_of_contents():
    lengths = {name.split()[-1]: count for name, count in functions(ROOT / "run_classification.py").items()}
    assert lengths["main"] + lengths["run"] <= 60


def test_the_core_path_is_read_in_half_an_hour():
    """The files from the command line to the saved model."""
    lines = write_docs.core_path_lines()
    assert {"run_classification.py", "arguments.py", "data_utils.py"} < set(lines)
    assert sum(lines.values()) <= write_docs.CORE_LIMIT, lines


# -------------------------------------------------------------------------------------------------------------- style


def test_arguments_are_declared_without_logic():
    declared = (ast.Expr, ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign)
    module = tree_of(ROOT / "arguments.py").body
    wrong = [node for node in module if not isinstance(node, (*declared, ast.ClassDef, ast.FunctionDef))]
    wrong += [node for group in module if isinstance(group, ast.ClassDef) for node in group.body
              if not isinstance(node, declared)]  # fmt: skip
    assert not [ast.unparse(node) for node in wrong]
    assert [node.name for node in module if isinstance(node, ast.FunctionDef)] == ["option"]


def test_the_command_line_is_typed():
    """`Any` hides from a reader and from mypy what a value is; a call with `**options` hides which values it gets.

    `exit_on_usage_error` passes on the arguments of any function.
    """
    wrong = []
    for path in SOURCES:
        if path.name == "usage_errors.py":
            continue
        for node in ast.walk(tree_of(path)):
            is_any = isinstance(node, ast.Name) and node.id == "Any" and "cli" in path.parts
            spread = [keyword for keyword in getattr(node, "keywords", ()) if keyword.arg is None]
            hides = any(re.match(r"(self\.)?(options|settings)\b", ast.unparse(keyword.value)) for keyword in spread)
            wrong += [f"{name_of(path)}:{node.lineno}"] if is_any or hides else []
    assert not wrong


def test_the_task_classes_decide_what_depends_on_the_task():
    """A branch on the kind of task elsewhere is one more file to change for a new kind."""
    branches = Counter()
    for path in SOURCES:
        if path.parent.name == "data" and path.name in TASK_FILES:
            continue
        for node in ast.walk(tree_of(path)):
            names_a_class = isinstance(node, ast.Name) and node.id in TASK_CLASSES
            asks = isinstance(node, ast.Attribute) and node.attr == "is_exclusive"
            compares = isinstance(node, ast.Compare) and any(
                isinstance(side, ast.Attribute) and side.attr in ("metrics", "headline", "problem_type")
                for side in (node.left, *node.comparators)
            )
            branches[name_of(path)] += names_a_class or asks or compares
    assert len(+branches) <= 5, +branches


def test_the_generated_pages_are_up_to_date():
    write_docs.main(["--check"])
