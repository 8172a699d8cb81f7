"""A YAML or JSON file read as it is written: `no` is the word no, and 007 keeps its zeros."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import cast

import yaml

from classification.errors import UsageError

NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?")
STANDARD = "tag:yaml.org,2002:"
MERGE, NULL, BOOL = (STANDARD + kind for kind in ("merge", "null", "bool"))
TRUE = ("true", "yes", "on", "y")  # in lower case; YAML reads them as bool
DEEPEST = 20  # levels; an alias can contain itself


class Word(str):
    """A value as it is written; `is_bool` where it is a plain word that YAML reads as true or false."""

    is_quoted = is_bool = False


Value = Word | list["Value"] | dict[str, "Value"] | None


def read_preset(path: Path) -> dict[str, Value]:
    """The lines of a preset: names and values as strings, without a meaning; None for a value left empty.

    Raises:
        UsageError: not a YAML mapping with each name once.
    """
    try:
        node = yaml.compose(readable(path.read_bytes()), yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise UsageError(f"preset {path}: {explain(error)}") from error
    if not isinstance(node, yaml.MappingNode) or not node.value:
        raise UsageError(f"preset {path}: must have lines of `flag: value`.")
    return read_mapping_node(node, str(path))


def readable(content: bytes) -> bytes | str:
    """JSON may be indented by tabs, which YAML does not allow."""
    try:
        json.loads(content)
    except (ValueError, UnicodeDecodeError):
        return content
    return content.decode("utf-8-sig").replace("\t", " ")


def explain(error: yaml.YAMLError) -> str:
    """Line, problem and remedy of a file that is no YAML."""
    if isinstance(error, yaml.reader.ReaderError):
        return "is not valid YAML: it is not UTF-8 text. Save it as UTF-8."
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None) or str(error)
    line = f" in line {mark.line + 1}" if mark else ""
    remedy = "Indent with spaces." if "'\\t'" in problem else "Write lines of `flag: value`; quote special characters."
    return f"is not valid YAML{line}: {' '.join(problem.split())}. {remedy}"


def read_node(node: yaml.Node, path: str, depth: int = 0) -> Value:
    if depth > DEEPEST:
        raise UsageError(f"preset {path}: is nested too deep. Write lines of `flag: value`.")
    if not node.tag.startswith(STANDARD) or "python" in node.tag:
        raise UsageError(
            f"preset {path}: line {node.start_mark.line + 1}: {node.tag} has no meaning here. Leave it out."
        )
    if isinstance(node, yaml.ScalarNode):
        word = Word(node.value)
        word.is_quoted, word.is_bool = bool(node.style), node.tag == BOOL
        return None if node.tag == NULL else word
    if isinstance(node, yaml.SequenceNode):
        return [read_node(item, path, depth + 1) for item in node.value]
    return read_mapping_node(cast(yaml.MappingNode, node), path, depth)


def read_mapping_node(node: yaml.MappingNode, path: str, depth: int = 0) -> dict[str, Value]:
    """A mapping; of `<<: *other`, the names that it does not have itself."""
    merged: dict[str, Value] = {}
    own: dict[str, Value] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise UsageError(f"preset {path}: line {key.start_mark.line + 1}: a name must be a single word.")
        content = read_node(value, path, depth + 1)
        if key.tag == MERGE:
            for part in content if isinstance(content, list) else [content]:
                merged = {**(part if isinstance(part, dict) else {}), **merged}
        elif key.value in own:
            raise UsageError(
                f"preset {path}: line {key.start_mark.line + 1}: {key.value} is there twice. Keep one of the lines."
            )
        else:
            own[key.value] = content
    return merged | own


def as_json(node: Value) -> object:
    """A nested value for a flag that is read as JSON: decimal numbers, true and false (also yes and no) have their
    meaning, and all others stay words."""
    if isinstance(node, dict):
        return {name: as_json(value) for name, value in node.items()}
    if isinstance(node, list):
        return [as_json(value) for value in node]
    if node is None or node.is_bool:
        return None if node is None else node.lower() in TRUE
    if NUMBER.fullmatch(node) and not node.is_quoted:
        return int(node) if node.lstrip("+-").isdigit() else float(node)
    return str(node)
