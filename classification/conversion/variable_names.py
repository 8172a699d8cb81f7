"""Google's names of variables, their shapes, and the tensors of transformers that they become."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from classification.conversion.bert_settings import BertSettings
from classification.errors import UsageError, join_first
from classification.models.google_checkpoints import CONFIG

ENCODER, POOLER = "encoder", "pooler"
MASKED, NEXT, CLASSES = "head for masked tokens", "head for the next sentence", "classification head"
SLOTS = re.compile(r"(?P<variable>.+)/(adam_m|adam_v|Adam|Adam_1)")  # what optimizers keep per variable
COUNTERS = ("global_step", "beta1_power", "beta2_power")
ANSWERS = ("cls/squad/output_weights", "cls/squad/output_bias")
KERAS = ("_CHECKPOINTABLE_OBJECT_GRAPH", "/.ATTRIBUTES/")
HEAD = ("output_weights", "output_bias")
FLOATS = ("float16", "bfloat16", "float32", "float64")


@dataclass(frozen=True)
class Stored:
    """A variable of a checkpoint: its shape, and the name of its number format."""

    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Mapped:
    """A variable that is used.

    Args:
        name: Google's. tensor: that of transformers. shape: Google's; the transpose where it `turns`.
    """

    name: str
    tensor: str
    shape: tuple[int, ...]
    part: str
    turns: bool = False


@dataclass(frozen=True)
class Account:
    """What becomes of every variable of a checkpoint.

    Args:
        used: the variables that are converted. left_out: reason -> names.
    """

    used: tuple[Mapped, ...]
    left_out: dict[str, list[str]] = field(default_factory=dict)

    @property
    def parts(self) -> list[str]:
        return list(dict.fromkeys(variable.part for variable in self.used))

    @property
    def classes(self) -> int | None:
        """Outputs of the classification head; None without one."""
        return next((variable.shape[0] for variable in self.used if variable.part == CLASSES), None)

    def describe(self) -> str:
        total = len(self.used) + sum(map(len, self.left_out.values()))
        text = f"{len(self.used)} of {total} used: {', '.join(self.parts)}"
        rest = [f"{len(names)} {reason} ({join_first(names, 2)})" for reason, names in self.left_out.items()]
        return f"{text}; left out: {'; '.join(rest)}" if rest else text


def known_variables(settings: BertSettings, classes: int | None = None) -> dict[str, Mapped]:
    """Every variable that a BERT of this size can have, by Google's name.

    Args:
        classes: outputs of the classification head; None for no such head.
    """
    sizes, hidden = settings.sizes, settings.hidden
    variables = [
        Mapped(f"bert/embeddings/{name}", f"bert.embeddings.{name}.weight", (sizes[size], hidden), ENCODER)
        for name, size in (
            ("word_embeddings", "vocab_size"), ("position_embeddings", "max_position_embeddings"),
            ("token_type_embeddings", "type_vocab_size"),
        )
    ]  # fmt: skip
    variables += norm("bert/embeddings/LayerNorm", hidden, ENCODER)
    for number in range(settings.layers):
        variables += layer(f"bert/encoder/layer_{number}", hidden, sizes["intermediate_size"])
    variables += dense("bert/pooler/dense", hidden, hidden, POOLER)
    variables += dense("cls/predictions/transform/dense", hidden, hidden, MASKED)
    variables += norm("cls/predictions/transform/LayerNorm", hidden, MASKED)
    variables.append(Mapped("cls/predictions/output_bias", "cls.predictions.bias", (sizes["vocab_size"],), MASKED))
    variables += outputs("cls/seq_relationship/", "cls.seq_relationship", 2, hidden, NEXT)
    if classes is not None:
        variables += outputs("", "classifier", classes, hidden, CLASSES)
    return {variable.name: variable for variable in variables}


def layer(name: str, hidden: int, inner: int) -> Iterator[Mapped]:
    for part in ("query", "key", "value"):
        yield from dense(f"{name}/attention/self/{part}", hidden, hidden, ENCODER)
    yield from dense(f"{name}/attention/output/dense", hidden, hidden, ENCODER)
    yield from norm(f"{name}/attention/output/LayerNorm", hidden, ENCODER)
    yield from dense(f"{name}/intermediate/dense", hidden, inner, ENCODER)
    yield from dense(f"{name}/output/dense", inner, hidden, ENCODER)
    yield from norm(f"{name}/output/LayerNorm", hidden, ENCODER)


def dense(name: str, inputs: int, units: int, part: str) -> Iterator[Mapped]:
    """TensorFlow multiplies by [inputs, units], torch by [units, inputs]."""
    yield Mapped(f"{name}/kernel", f"{dotted(name)}.weight", (inputs, units), part, turns=True)
    yield Mapped(f"{name}/bias", f"{dotted(name)}.bias", (units,), part)


def norm(name: str, size: int, part: str) -> Iterator[Mapped]:
    yield Mapped(f"{name}/gamma", f"{dotted(name)}.weight", (size,), part)
    yield Mapped(f"{name}/beta", f"{dotted(name)}.bias", (size,), part)


def outputs(prefix: str, tensor: str, units: int, hidden: int, part: str) -> Iterator[Mapped]:
    """The last layer of a head, which Google stores as torch does: [units, inputs]."""
    weights, bias = HEAD
    yield Mapped(f"{prefix}{weights}", f"{tensor}.weight", (units, hidden), part)
    yield Mapped(f"{prefix}{bias}", f"{tensor}.bias", (units,), part)


def dotted(name: str) -> str:
    return re.sub(r"layer_(\d)", r"layer.\1", name).replace("/", ".")


# ------------------------------------------------------------------------------------------------------- the accounting


def account_for(stored: Mapping[str, Stored], settings: BertSettings, where: str) -> Account:
    """Decide what becomes of each variable.

    Raises:
        UsageError: a variable without a meaning, with another shape than the config says, or that is missing.
    """
    refuse_other_kinds(stored, where)
    known = known_variables(settings, classes_of(stored))
    used = tuple(variable for name, variable in known.items() if name in stored)
    left_out: dict[str, list[str]] = {}
    unknown = []
    for name in sorted(stored.keys() - known.keys()):
        if reason := reason_to_leave_out(name, stored):
            left_out.setdefault(reason, []).append(name)
        else:
            unknown.append(name)
    if unknown:
        raise UsageError(
            f"{where}: {len(unknown)} variables have no place in a BERT of {settings.layers} layers: "
            f"{join_first(unknown, 4)}. Take the {CONFIG} of this checkpoint. Another architecture cannot be converted."
        )
    check_missing(known, stored, where)
    for variable in used:
        check_stored(variable, stored[variable.name], where)
    return Account(used, left_out)


def refuse_other_kinds(stored: Mapping[str, Stored], where: str) -> None:
    if any(mark in name for name in stored for mark in KERAS):
        raise UsageError(
            f"{where}: is a checkpoint of Keras (TensorFlow 2). Take the original release, whose zip file has "
            "bert_model.ckpt.meta beside the other files."
        )
    if not any(name.startswith("bert/") for name in stored):
        raise UsageError(
            f"{where}: holds no BERT: its variables are {join_first(sorted(stored), 4)}. Other architectures cannot be "
            "converted: take a model of the Hub that has safetensors."
        )


def classes_of(stored: Mapping[str, Stored]) -> int | None:
    """The outputs of a head for classes, from the shape of its weights; None where there is no such head."""
    head = stored.get(HEAD[0])
    return head.shape[0] if head and len(head.shape) == 2 and head.shape[0] > 1 else None


def reason_to_leave_out(name: str, stored: Mapping[str, Stored]) -> str | None:
    slot = SLOTS.fullmatch(name)
    if name in COUNTERS or (slot and slot["variable"] in stored):
        return "of the optimizer"
    if name in ANSWERS:
        return "of a head for answers in a text"
    return "of a head with one output" if name in HEAD and HEAD[0] in stored else None


def check_missing(known: Mapping[str, Mapped], stored: Mapping[str, Stored], where: str) -> None:
    """The encoder must be complete; any other part is complete or not there at all."""
    present = {variable.part for name, variable in known.items() if name in stored} | {ENCODER}
    missing = [name for name, variable in known.items() if variable.part in present and name not in stored]
    if missing:
        raise UsageError(
            f"{where}: {len(missing)} variables are missing: {join_first(missing, 3)}. Take the whole checkpoint and "
            f"its own {CONFIG}."
        )


def check_stored(variable: Mapped, found: Stored, where: str) -> None:
    if found.shape != variable.shape:
        raise UsageError(
            f"{where}: {variable.name} has the shape {list(found.shape)}, and {CONFIG} means {list(variable.shape)}. "
            f"Take the {CONFIG} of this checkpoint."
        )
    if found.dtype not in FLOATS:
        raise UsageError(
            f"{where}: {variable.name} holds {found.dtype} in place of float32: the checkpoint was changed for another "
            "program. Take the published one."
        )
