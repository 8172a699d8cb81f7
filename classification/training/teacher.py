"""`--teacher`: a trained classifier is loaded, and its outputs are brought to the labels of this training."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from classification.data.fingerprints import tokenizer_state
from classification.data.hub_access import HubAccess
from classification.data.label_names import align
from classification.data.labels import LabelSpace
from classification.data.tasks import task_from_config
from classification.data.truncation import Truncation
from classification.errors import UsageError, join_first
from classification.models.choice import ModelChoice
from classification.models.loading import load_classifier, load_config
from classification.models.precision import Precision

# N rows, C labels.

NAMES = 10  # of labels in an error


@dataclass
class Teacher:
    """A trained classifier whose outputs are learned.

    Args:
        task: of its training. columns: its output for each label of this training, int64 [C].
        weights: a hash of its weights; reading: of how it reads texts and what its outputs mean; key: of all that
            decides its logits beside the texts.
    """

    name: str
    tokenizer: PreTrainedTokenizerBase
    model: PreTrainedModel
    task: LabelSpace
    columns: np.ndarray
    weights: str
    reading: str
    key: str

    def targets(self, logits: np.ndarray, task: LabelSpace) -> np.ndarray:
        """Its logits [N, C] as this training compares them: calibrated, in the order of the labels of `task`.

        Numbers are brought to the mean and the standard deviation of `task`.
        """
        logits = self.task.calibrated(logits)[:, self.columns]
        if task.output_scale is not None and self.task.output_scale is not None:
            (own_std, own_mean), (std, mean) = self.task.output_scale, task.output_scale
            logits = (logits.astype(np.float64) * own_std + own_mean - mean) / std
        return logits.astype(np.float32)


def load_teacher(
    name: str, task: LabelSpace, hub: HubAccess, *, device: str, precision: Precision, pairs: bool
) -> Teacher:
    """Load a classifier on the CPU, with its own tokenizer, length and truncation.

    Raises:
        UsageError: it does not load, or has another task or other labels than `task`.
    """
    choice = ModelChoice(name, hub=replace(hub, revision="main"))
    with errors_of_teacher(name):
        config = load_config(choice)
        trained = task_from_config(config)
        loaded = load_classifier(
            choice, config, trained, training=False, device=device, precision=precision, compiled=False, pairs=pairs
        )
    columns = matching_outputs(name, task, trained)
    weights = hash_of_state(loaded.model.state_dict())
    truncation = Truncation.from_config(loaded.model.config)
    tokens = (tokenizer_state(loaded.tokenizer), loaded.tokenizer.model_max_length, str(truncation))
    settings = {key: value for key, value in loaded.model.config.to_dict().items() if key != "_name_or_path"}
    reading = hash_of((tokens, columns.tolist(), trained.temperatures, trained.output_scale))[:12]
    key = hash_of((weights, json.dumps(settings, sort_keys=True, default=str), *tokens, device, precision.name))
    return Teacher(name, loaded.tokenizer, loaded.model.eval(), trained, columns, weights, reading, key)


@contextmanager
def errors_of_teacher(name: str) -> Iterator[None]:
    """Inside, what is wrong with a model is said about the teacher."""
    try:
        yield
    except UsageError as error:
        text = str(error).replace("--model_name_or_path", "--teacher")
        raise UsageError(text if "--teacher" in text else f"--teacher {name}: {text}") from error


def matching_outputs(name: str, task: LabelSpace, trained: LabelSpace) -> np.ndarray:
    """The output of the teacher for each label, by the names of both, int64 [C].

    Raises:
        UsageError: another kind of task, or other names.
    """
    if type(trained) is not type(task):
        raise UsageError(
            f"--teacher {name}: is trained for another task ({trained.describe()}) than this data has "
            f"({task.describe()}). Name a teacher of this task."
        )
    if not task.counts([]):
        return np.zeros(1, dtype=np.int64)
    names = align(task.names, trained.names)
    if names is None:
        raise UsageError(
            f"--teacher {name}: has the labels {join_first(trained.names, NAMES)}, and train has "
            f"{join_first(task.names, NAMES)}. Name a teacher with the labels of train, or copy the teacher and name "
            "its labels as train does in id2label of its config.json."
        )
    return np.array([names.index(label) for label in task.names])


def hash_of(values: tuple) -> str:
    return hashlib.sha256(repr(values).encode("utf-8", "surrogatepass")).hexdigest()


def hash_of_state(state: Mapping[str, torch.Tensor]) -> str:
    """A hash of all tensors with their names."""
    digest = hashlib.sha256()
    for tensor_name in sorted(state):
        digest.update(f"{tensor_name} {tuple(state[tensor_name].shape)}".encode())
        values = state[tensor_name].detach().cpu().contiguous().flatten()
        digest.update(values.view(torch.uint8).numpy().data)
    return digest.hexdigest()[:12]
