"""The shape of the project: a folder imports lower floors only, files stay readable."""

from __future__ import annotations

import ast
import sys

import pytest
from conftest import ROOT

FLOORS = {  # by folder or file; the longest prefix counts
    "classification/__init__.py": 0, "classification/errors.py": 0, "classification/files.py": 0,
    "classification/log.py": 0, "arguments.py": 0,
    "classification/data": 1, "classification/models/kernels": 1,
    "classification/data/quality": 2, "classification/models": 2, "classification/evaluation": 2,
    "classification/training": 3,
    "classification/reporting": 4, "classification/cli": 4,
    "classification/experiments": 5,
    "data_utils.py": 6, "run_classification.py": 6, "scripts": 7,
}  # fmt: skip
SOURCES = sorted(file for pattern in ("*.py", "classification/**/*.py", "scripts/*.py") for file in ROOT.glob(pattern))


def place(path) -> str:
    """The entry of `FLOORS` that a file belongs to."""
    name = path.relative_to(ROOT).as_posix()
    return max((entry for entry in FLOORS if name == entry or name.startswith(entry + "/")), key=len)


def imported_files(path) -> set:
    """The files of this project that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    files = (ROOT / (name.replace(".", "/") + ".py") for name in names)
    return {file for file in files if file in SOURCES}


def wrong_imports(path) -> list[str]:
    own = place(path)
    wrong = []
    for file in imported_files(path):
        other = place(file)
        if FLOORS[other] > FLOORS[own] or (FLOORS[other] == FLOORS[own] and other != own and FLOORS[own] not in (0, 6)):
            wrong.append(f"{own} (floor {FLOORS[own]}) imports {file.relative_to(ROOT)} (floor {FLOORS[other]})")
        if file.name == "arguments.py" and own.startswith("classification") and own != "classification/cli":
            wrong.append(f"{own} imports arguments.py; only cli/ may")
    return wrong


def test_a_folder_imports_lower_floors_only():
    assert not [wrong for path in SOURCES for wrong in wrong_imports(path)]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_files_are_read_at_one_sitting(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 350
    assert lines[0].startswith('"""')


def test_no_file_shadows_a_library():
    assert not {path.stem for path in SOURCES} & (set(sys.stdlib_module_names) | {"evaluate", "datasets", "tokenizers"})


def test_main_reads_like_a_table_of_contents():
    tree = ast.parse((ROOT / "run_classification.py").read_text(encoding="utf-8"))
    main = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main")
    assert main.end_lineno - main.lineno < 40


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_functions_fit_on_a_screen(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < 70, node.name
