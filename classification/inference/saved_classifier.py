"""From a folder or a Hub name to a classifier that answers."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch

from classification.data.tasks import task_from_config
from classification.data.truncation import Truncation
from classification.errors import UsageError
from classification.inference.classifier import Classifier
from classification.inference.engines import make_engine
from classification.inference.onnx_folder import find_onnx, load_onnx
from classification.messages.log import Line
from classification.models.choice import ModelChoice
from classification.models.loading import load_classifier, load_config
from classification.models.precision import decide_precision, device_type

logger = logging.getLogger(__name__)

REWORDED = (  # flags of training in errors about a model -> words of a prediction
    ("--model_name_or_path ", "MODEL "),
    (
        "Name another model with --model_name_or_path, or another tokenizer with --tokenizer_name.",
        "Save the model's tokenizer beside it with save_pretrained.",
    ),
    ("Name another tokenizer with --tokenizer_name.", "Save the model's own tokenizer beside it."),
    ("pass --trust_remote_code true", "pass --trust_remote_code"),
    (" with a gradient scaler, and this run uses", ", and the model is on"),
)


def load_saved(
    choice: ModelChoice, *, precision: str = "auto", variant: str = "default", device: str | None = None,
    batch_tokens: int | None = None, few_texts: bool = False,
) -> tuple[Classifier, list[Line]]:  # fmt: skip
    """Load a trained model of any origin with its tokenizer, task and truncation.

    A folder with an ONNX model and without safetensors is run by onnxruntime.

    Args:
        precision: `auto`, `bf16`, `fp16` or `fp32`.
        device: such as `cpu` or `cuda:1`; None for the fastest of this machine.
        batch_tokens: of a batch; None for the engine's own.
        few_texts: whether `auto` means fp32, because few texts need no fast number format.

    Returns:
        The classifier, and the lines that describe how it was loaded.

    Raises:
        UsageError: no such model, no classification head, a head that does not fit its config, or a device or number
            format that this machine does not have.
    """
    place = find_device(device)
    with words_of_prediction():
        config = load_config(choice)
        task = task_from_config(config)
        if path := find_onnx(choice):
            return load_onnx(
                choice, path, config, task, precision=precision, variant=variant, device=device,
                batch_tokens=batch_tokens,
            )  # fmt: skip
        decided = decide_precision("fp32" if few_texts and precision == "auto" else precision, place.type)
        loaded = load_classifier(
            choice, config, task, training=False, device=place.type, precision=decided, compiled=False
        )
    model = loaded.model.to(place).eval()  # type: ignore[arg-type]
    decided = replace(decided, tf32=False)
    engine = make_engine(variant, model, loaded.tokenizer, task, decided, batch_tokens)
    truncation = Truncation.from_config(model.config)
    classifier = Classifier(choice.name, task, loaded.tokenizer, model, truncation, engine)
    lines = [Line("task", task.describe()), *loaded.lines, decided.summary(place.type)]
    return classifier, lines


def find_device(name: str | None) -> torch.device:
    """The device with this name; without one the fastest of this machine.

    Raises:
        UsageError: no such device.
    """
    try:
        device = torch.device(device_type(use_cpu=False) if name is None else name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, ValueError, TypeError) as error:
        raise UsageError(f"device {name}: this machine does not have it. Pass cpu, or leave it out.") from error
    return device


@contextmanager
def words_of_prediction() -> Iterator[None]:
    """Inside, errors about a model name it as the command line of a prediction does."""
    try:
        yield
    except UsageError as error:
        text = str(error)
        for words, ours in REWORDED:
            text = text.replace(words, ours)
        raise UsageError(text) from error
