"""What an encoder that was trained on texts has beside its weights: a card, a record, and files about its pooling."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path

from classification.models.choice import ModelChoice
from classification.models.encoder_pooling import find_file
from classification.system.files import remove_leftovers, replacing, replacing_bytes

RECORD, CARD, MODULES = "pretraining.json", "README.md", "modules.json"
# Of a folder of sentence-transformers: which layers come after the encoder, such as 1_Pooling.
SENTENCE_FILES = (MODULES, "config_sentence_transformers.json", "sentence_bert_config.json")
LAYER_FILES = ("config.json", "model.safetensors")

CARD_TEXT = """---
library_name: transformers
pipeline_tag: fill-mask
base_model: {base}
---

# {name}

`{base}`, trained further to predict masked tokens (Devlin et al. 2019). No label was read. Fine-tune it next:

    {command} --train_file train.csv --test_file test.csv

| | |
|---|---|
| base model | `{base}` |
| texts | {texts} from {files} |
| left out | {left_out} |
| blocks of {length} tokens | {blocks} ({tokens} tokens per epoch) |
| optimizer steps | {steps} |
| predicted tokens | {share:.0%}, of them 80% masked, 10% replaced, 10% unchanged |
| val_loss before and after | {before} and {after} (mean cross entropy per predicted token, {validation} texts) |
| head for masked tokens | {head} |
"""


def copy_sentence_files(base: ModelChoice, folder: Path) -> list[str]:
    """Copy the description of the layers after the encoder, and those layers, but no pickle; returns the names.

    Args:
        base: the encoder that was trained further: a folder, or a name on the Hub.
    """
    modules = find_file(base, MODULES)
    if modules is None or not modules.is_file():
        return []
    names = [*SENTENCE_FILES, *(f"{layer}/{name}" for layer in layer_folders(modules) for name in LAYER_FILES)]
    copied = []
    for name in names:
        file, place = find_file(base, name), folder / name
        if file is not None and file.is_file() and file.resolve() != place.resolve():
            place.parent.mkdir(exist_ok=True)
            remove_leftovers(place.parent)
            with file.open("rb") as source, replacing_bytes(place) as target:
                shutil.copyfileobj(source, target)
            copied.append(name)
    return copied


def layer_folders(modules: Path) -> list[str]:
    """The folders that modules.json names, inside its own folder; none where it is no such file."""
    try:
        paths = [str(module["path"]) for module in json.loads(modules.read_text(encoding="utf-8"))]
    except (ValueError, LookupError, TypeError):
        return []
    return [path for path in paths if path and Path(path).name == path and path not in (".", "..")]


def write_card(folder: Path, facts: Mapping[str, object]) -> None:
    """Write the card; one that the user has changed is replaced, as the weights beside it are."""
    with replacing(folder / CARD) as handle:
        handle.write(CARD_TEXT.format(command=fine_tuning(folder), name=folder.name or str(folder), **facts))


def fine_tuning(folder: Path) -> str:
    """The command that trains a classifier on the encoder."""
    return f"python run_classification.py --model_name_or_path {shlex.quote(str(folder))}"
