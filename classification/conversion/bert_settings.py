"""Google's bert_config.json as a checked value, and the config of transformers that means the same."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from transformers import BertConfig

from classification.errors import UsageError, join_first
from classification.models.google_checkpoints import CONFIG

SIZES = (
    "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
    "max_position_embeddings", "type_vocab_size",
)  # fmt: skip
SHARES = {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1, "initializer_range": 0.02}
ACTIVATIONS = ("gelu", "relu", "tanh", "linear")  # those of Google's code
LARGEST, MOST_LAYERS = 10_000_000, 1_000
# Settings that are the same in every BERT: another value is another model.
FIXED = {
    "directionality": "bidi",
    "pooler_type": "first_token_transform",
    "layer_norm_eps": 1e-12,
    "model_type": "bert",
}
# Written into the multilingual and Chinese configs, and read by no model of Google's code.
UNREAD = ("pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers", "pooler_size_per_head",
          "architectures")  # fmt: skip


@dataclass(frozen=True)
class BertSettings:
    """The sizes of a BERT.

    Args:
        sizes: by their names in bert_config.json. shares: the two dropouts, and the spread of initial weights.
        lower_case: whether texts are lower-cased; None where the file does not say it.
        unread: settings without a meaning here.
    """

    sizes: dict[str, int]
    activation: str = "gelu"
    shares: dict[str, float] = field(default_factory=lambda: dict(SHARES))
    lower_case: bool | None = None
    unread: tuple[str, ...] = ()

    @property
    def hidden(self) -> int:
        return self.sizes["hidden_size"]

    @property
    def layers(self) -> int:
        return self.sizes["num_hidden_layers"]

    def describe(self) -> str:
        sizes = self.sizes
        return f"{self.layers} layers of {self.hidden}, {sizes['vocab_size']:,} word pieces"

    def bert_config(self, pad_token_id: int) -> BertConfig:
        """The config of transformers. Its `gelu` is the exact one, as for every BERT on the Hub."""
        return BertConfig(**self.sizes, **self.shares, hidden_act=self.activation, pad_token_id=pad_token_id)


def read_settings(path: Path, where: str) -> BertSettings:
    """Read bert_config.json.

    Raises:
        UsageError: no JSON object, or a setting that is missing or has no meaning; names it and the remedy.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where}: {CONFIG} is no JSON. Take the file of the published checkpoint.") from error
    if not isinstance(content, dict):
        raise UsageError(f"{where}: {CONFIG} holds no settings. Take the file of the published checkpoint.")
    missing = [name for name in SIZES if name not in content]
    if missing:
        raise UsageError(f"{where}: {CONFIG} lacks {join_first(missing, 7)}. Add the values of the checkpoint.")
    lower_case = content.get("do_lower_case")
    if lower_case not in (None, True, False):
        raise wrong(where, "do_lower_case", lower_case, "true or false")
    for name, value in FIXED.items():
        if content.get(name, value) != value:
            raise wrong(where, name, content[name], f"{json.dumps(value)}, as in every BERT of Google's")
    sizes = {name: size_of(content, name, where) for name in SIZES}
    if sizes["hidden_size"] % sizes["num_attention_heads"]:
        heads = sizes["num_attention_heads"]
        raise wrong(where, "hidden_size", sizes["hidden_size"], f"a multiple of num_attention_heads, {heads}")
    activation = content.get("hidden_act", "gelu")
    if activation not in ACTIVATIONS:
        raise wrong(where, "hidden_act", activation, f"one of {', '.join(ACTIVATIONS)}")
    read = {*SIZES, *SHARES, *UNREAD, *FIXED, "hidden_act", "do_lower_case"}
    unread = tuple(sorted(content.keys() - read))
    shares = {name: share_of(content, name, where) for name in SHARES}
    return BertSettings(sizes, activation, shares, None if lower_case is None else bool(lower_case), unread)


def size_of(content: dict, name: str, where: str) -> int:
    value, most = content[name], MOST_LAYERS if name == "num_hidden_layers" else LARGEST
    if type(value) is not int or not 1 <= value <= most:
        raise wrong(where, name, value, f"a whole number from 1 to {most:,}")
    return value


def share_of(content: dict, name: str, where: str) -> float:
    value = content.get(name, SHARES[name])
    if type(value) not in (int, float) or not 0 <= value < 1:
        raise wrong(where, name, value, "a number from 0 to 1")
    return float(value)


def wrong(where: str, name: str, value: object, meant: str) -> UsageError:
    shown = json.dumps(value)
    return UsageError(f"{where}: {name} in {CONFIG} is {shown[:60]}. It must be {meant}. Correct it there.")
