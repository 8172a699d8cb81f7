"""A converted checkpoint as a folder of transformers: config.json, model.safetensors and the tokenizer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from classification.conversion.bert_settings import BertSettings
from classification.conversion.tf_variables import Variables
from classification.conversion.variable_names import CLASSES, MASKED, Account, Mapped
from classification.conversion.word_pieces import Casing, make_tokenizer
from classification.errors import UsageError
from classification.system.files import current_umask, replacing, sync_file

WEIGHTS, RECORD = "model.safetensors", "conversion.json"
# The part that decides the class in config.json, the first that is there; without one it is the plain encoder.
CLASS_OF = {CLASSES: "BertForSequenceClassification", MASKED: "BertForPreTraining"}


def write_model(
    folder: Path, settings: BertSettings, variables: Variables, account: Account, vocabulary: Mapping[str, int],
    casing: Casing, where: str,
) -> None:  # fmt: skip
    """Write a new folder: what transformers loads, and `conversion.json` with the fate of every variable.

    Raises:
        UsageError: a variable holds a number that is not finite.
    """
    folder.mkdir()
    make_tokenizer(vocabulary, casing, settings).save_pretrained(folder)
    tensors = {variable.tensor: tensor_of(variable, variables, where) for variable in account.used}
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    (folder / WEIGHTS).chmod(0o666 & ~current_umask())  # safetensors lets only the owner read
    sync_file(folder / WEIGHTS)
    config = settings.bert_config(vocabulary["[PAD]"])
    config.architectures = [next((CLASS_OF[part] for part in CLASS_OF if part in account.parts), "BertModel")]
    config.dtype = "float32"
    if account.classes:
        config.num_labels = account.classes
        config.problem_type = "single_label_classification"
    config.save_pretrained(folder)
    with replacing(folder / RECORD) as handle:
        json.dump(record_of(account, casing), handle, indent=2)
        handle.write("\n")


def tensor_of(variable: Mapped, variables: Variables, where: str) -> np.ndarray:
    values = variables.value(variable.name)
    if not np.isfinite(values).all():
        raise UsageError(
            f"{where}: {variable.name} holds numbers that are not finite: the training had diverged. Take an earlier "
            "checkpoint."
        )
    return np.ascontiguousarray(values.T if variable.turns else values, dtype=np.float32)


def record_of(account: Account, casing: Casing) -> dict[str, object]:
    return {
        "lower_case": casing.lower,
        "lower_case_reason": casing.reason,
        "used": {variable.name: variable.tensor for variable in account.used},
        "left_out": account.left_out,
    }
