"""The labels of a trained classifier beside those of the data: the order of ids that keeps the meaning of its head."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from classification.data.label_names import align, are_ids, class_id, folded
from classification.data.label_values import is_missing, label_key
from classification.data.labels import LabelSpace
from classification.data.tasks import task_from_config
from classification.errors import UsageError, join_first

if TYPE_CHECKING:
    from datasets import DatasetDict

logger = logging.getLogger(__name__)

HEAD = "ForSequenceClassification"  # the end of the class names of models with a classification head
EXAMPLES = 6  # names in a message


def continue_task(task: LabelSpace, config: Any, declared: Sequence[str] | None = None) -> LabelSpace:
    """The task of the training labels, with the ids of the trained head where both mean the same classes.

    Labels in the order of the model's names keep the meaning of each output. A model whose names only count its
    classes (`LABEL_0`) matches labels that count them too, and the names that the data declares for its ids.

    Args:
        config: of the model from which training starts, before anything is written to it; None where it is not read.
        declared: the names of a `ClassLabel`, which say what id each name has.
    """
    trained = task_of_head(config)
    if trained is None or type(trained) is not type(task):
        return task
    names = align(task.names, trained.names)
    if names is None and has_same_ids(trained.names, declared):
        names = task.names
    followed = task.follow(names, trained, config)
    if followed is None:
        return task
    has_classes = bool(task.counts([]))
    if has_classes and followed.names != trained.names:
        logger.info("labels       %s", describe_names(followed.names, trained.names))
    elif has_classes and followed.names != task.names:
        logger.info("labels       in the order of the trained model: %s", join_first(followed.names, EXAMPLES))
    return followed


def task_of_head(config: Any) -> LabelSpace | None:
    """The task of a trained classifier; None for any other config, and where it does not name the classes."""
    try:
        return task_from_config(config) if may_have_head(config) else None
    except UsageError:  # `explain_new_head` has the reason
        return None


def may_have_head(config: Any) -> bool:
    """Whether a config can be that of a trained classifier; a config that was not read from a file is not.

    The folder of an adapter has the architecture of its base model, but the kind of task of its own head.
    """
    if config is None or not getattr(config, "name_or_path", ""):
        return False
    names = config.architectures if isinstance(config.architectures, list) else [HEAD]
    return bool(config.problem_type) or any(str(name).endswith(HEAD) for name in names)


def has_same_ids(trained: Sequence[str], declared: Sequence[str] | None) -> bool:
    """Whether the model only counts its classes, and the data declares as many names in the order of their ids."""
    return declared is not None and are_ids(trained) and len(declared) == len(trained)


def describe_names(names: Sequence[str], trained: Sequence[str]) -> str:
    """Which name of the data is which class of the model."""
    pairs = (f"{name!r} is {other!r}" for name, other in zip(names, trained, strict=True))
    return f"by the classes of the trained model: {join_first(pairs, EXAMPLES)}"


def name_as_in_data(task: LabelSpace, splits: DatasetDict, declared: Sequence[str] | None, model: str) -> LabelSpace:
    """The task of a trained model with the names that the data has for its classes, so that they can be scored.

    Args:
        splits: with raw labels in the column `label`.
        declared: the names of a `ClassLabel`, which say what id each name has.
        model: the model's name, for the error.

    Raises:
        UsageError: the data has other names for all of its labels, so that their meaning is not known.
    """
    columns = [data["label"][:] for data in splits.values() if "label" in data.column_names]
    unknown = unknown_names(task, columns)
    if not unknown or not task.counts([]):
        return task
    names = respelled(task.names, unknown)
    if has_same_ids(task.names, declared):
        names = tuple(declared or ())
    elif are_ids(task.names) and None not in (ids := [class_id(name) for name in unknown]):
        spellings = dict(zip(ids, unknown, strict=True))
        return renamed(task, tuple(spellings.get(i, str(i)) for i in range(task.num_labels)))
    if names is not None and not unknown_names(replace(task, names=names), columns):
        return renamed(task, names)
    if len(unknown) == len(distinct_names(columns)):
        raise UsageError(explain_unknown(task, unknown, model))
    return task  # the error of `encode_labels` names the rows


def renamed(task: LabelSpace, names: tuple[str, ...]) -> LabelSpace:
    logger.info("labels       %s", describe_names(names, task.names))
    return replace(task, names=names)


def distinct_names(columns: Sequence[Sequence]) -> list[str]:
    """Every label that occurs in the raw columns, sorted; those of lists one by one."""
    cells = (value for column in columns for value in column if not is_missing(value))
    items = {item for cell in cells for item in (cell if isinstance(cell, list) else [cell]) if not is_missing(item)}
    return sorted({str(label_key(item)) for item in items} - {"-1"})


def unknown_names(task: LabelSpace, columns: Sequence[Sequence]) -> list[str]:
    """The labels of the raw columns that the task does not have."""
    unknown = []
    for name in distinct_names(columns):
        try:
            task.encode(name)
        except KeyError:
            unknown.append(name)
    return unknown


def respelled(names: Sequence[str], unknown: Sequence[str]) -> tuple[str, ...] | None:
    """`names` with those of `unknown` that differ from them in case or spaces only, None where one fits nowhere."""
    spellings = {folded(name): name for name in unknown}
    places = [folded(name) for name in names]
    if len(spellings) < len(unknown) or len(set(places)) < len(places) or not spellings.keys() <= set(places):
        return None
    return tuple(spellings.get(place, name) for place, name in zip(places, names, strict=True))


def explain_unknown(task: LabelSpace, unknown: Sequence[str], model: str) -> str:
    count = task.num_labels
    return (
        f"--model_name_or_path {model}: the model's classes are {join_first(task.names, EXAMPLES)}, those of the data "
        f"are {join_first(unknown, EXAMPLES)}: which one is which is not known. Write the labels as the model's "
        f"classes{f' or as 0 to {count - 1}' if are_ids(task.names) else ''}, or copy the model and name its classes "
        "as the data does in id2label of its config.json. To predict without scores, add --remove_columns and the "
        "label column."
    )


def explain_new_head(task: LabelSpace, config: Any) -> str:
    """Why a trained head cannot be kept for `task`; `config` is the model's, before anything is written to it."""
    try:
        trained = task_from_config(config)
    except UsageError as error:
        return str(error)
    if type(trained) is not type(task):
        return f"the trained one is for another task ({trained.describe()})"
    if not task.counts([]):
        return f"the trained one is for numbers of another size ({trained.describe()})"
    reason = f"the trained one has other classes ({join_first(trained.names, EXAMPLES)})"
    if are_ids(trained.names) and trained.num_labels == task.num_labels:
        return (
            f"{reason}, and which of {join_first(task.names, EXAMPLES)} they mean is not known. To keep it, write the "
            f"labels as 0 to {task.num_labels - 1}, or name the classes in id2label of the model's config.json"
        )
    return reason
