"""A tokenizer that agrees with its model: padding, segments, how much is read at a time."""

from __future__ import annotations

import json
import logging
from inspect import signature

from torch import nn
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from classification.data.truncation import Truncation
from classification.errors import UsageError, first_line

logger = logging.getLogger(__name__)

UNBOUNDED = 1_000_000  # tokenizers without a limit say 1e30


def load_tokenizer(name: str, *, use_fast: bool = True, **hub) -> PreTrainedTokenizerBase:
    try:
        return AutoTokenizer.from_pretrained(name, use_fast=use_fast, **hub)
    except (OSError, ValueError, KeyError, json.JSONDecodeError) as error:
        raise UsageError(
            f"tokenizer {name}: does not load: {first_line(error)} Name another model with --model_name_or_path, or "
            "another tokenizer with --tokenizer_name."
        ) from error


def set_side(tokenizer: PreTrainedTokenizerBase, name: str, side: str) -> None:
    """Set `padding_side` or `truncation_side` for now and for what is saved: the library writes down only what the
    tokenizer was made with."""
    setattr(tokenizer, name, side)
    tokenizer.init_kwargs[name] = side


def fit_padding(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> None:
    """A pad token that model and tokenizer agree on, and padding on the right.

    Decoders come without one, or with one that was added to the tokenizer alone: the end-of-text token serves, which
    the model can tell from text by its mask (and the library's heads, which pool the last token that is no padding, by
    its id). On the left, padding would move the positions of every model that counts them from the first one; only a
    head that pools the last position wants it.

    Raises:
        UsageError: neither a pad token nor an end-of-text token that the model knows, or another pad token than the
            one from which the model counts its positions.
    """
    known = model.get_input_embeddings().weight.shape[0]
    lacks = "the tokenizer has no pad token"
    if tokenizer.pad_token_id is not None:
        lacks = f"the model has no embedding for {tokenizer.pad_token}"
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id >= known:
        if tokenizer.eos_token_id is None or tokenizer.eos_token_id >= known:
            raise UsageError(
                f"tokenizer {tokenizer.name_or_path}: {lacks}, nor is there an end-of-text token that could serve, so "
                "texts of different lengths make no batch. Name another with --tokenizer_name."
            )
        tokenizer.pad_token = tokenizer.eos_token
        logger.info("padding      by %s: %s", tokenizer.pad_token, lacks)
    for table in position_tables(model):
        if table.padding_idx is not None and table.padding_idx != tokenizer.pad_token_id:
            raise UsageError(
                f"--tokenizer_name {tokenizer.name_or_path}: pads with token {tokenizer.pad_token_id}, and the model "
                f"counts positions from its own pad token, {table.padding_idx}: they do not belong together. Leave the "
                "flag out, or name the tokenizer of this model."
            )
    for config in (model.config, model.config.get_text_config()):
        config.pad_token_id = tokenizer.pad_token_id
    last = getattr(model.config, "summary_type", None) == "last"  # XLNet
    set_side(tokenizer, "padding_side", "left" if last else "right")


def fit_segments(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> None:
    """Let the tokenizer tell the two texts of a pair apart where the model was trained to: ALBERT's, in transformers 5,
    leaves that out although the model has two segments."""
    names = tokenizer.model_input_names
    if "token_type_ids" in names or getattr(model.config.get_text_config(), "type_vocab_size", 0) < 2:
        return
    pair = tokenizer("a", "b", return_token_type_ids=True)["token_type_ids"]
    if set(pair) == {0, 1} and "token_type_ids" in signature(model.forward).parameters:
        tokenizer.model_input_names = [*names, "token_type_ids"]
        tokenizer.init_kwargs["model_input_names"] = tokenizer.model_input_names


def longest_input(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int | None:
    """How many tokens the model can read, None where nothing limits it.

    The table of positions decides; only a model without one is limited by its tokenizer, whose length may just be the
    one that an earlier training cut at. RoBERTa-like tables start at `padding_idx + 1`: 514 positions are 512 tokens.
    """
    positions = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if positions and positions > 0:
        offsets = [table.padding_idx + 1 for table in position_tables(model) if table.padding_idx is not None]
        return positions - max(offsets, default=0)
    return tokenizer.model_max_length if tokenizer.model_max_length < UNBOUNDED else None


def position_tables(model: PreTrainedModel) -> list[nn.Embedding]:
    """The embeddings of absolute positions; their `padding_idx` is set where positions are counted from it."""
    return [
        module
        for name, module in model.named_modules()
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding)
    ]


def check_length(max_seq_length: int, limit: int | None) -> None:
    if limit is not None and max_seq_length > limit:
        raise UsageError(
            f"--max_seq_length {max_seq_length}: this model reads at most {limit} tokens. "
            f"Pass --max_seq_length {limit} or choose a longer model."
        )


def check_room(tokenizer: PreTrainedTokenizerBase, truncation: Truncation, *, pairs: bool) -> None:
    """Whether `tokenizer.model_max_length` leaves room for the texts between the special tokens, and whether those
    tell the two texts of a pair apart (GPT-2's tokenizer puts nothing between them: a warning).

    Raises:
        UsageError: no room for a token of each text, or a stride that is longer than a window.
    """
    max_length, special = tokenizer.model_max_length, tokenizer.num_special_tokens_to_add(pair=pairs)
    if max_length - special < 1 + pairs:
        raise UsageError(
            f"--max_seq_length {max_length}: {special} of the tokens are special ones, so that there is no room for "
            f"{'two texts' if pairs else 'a text'}. Pass at least {special + 1 + pairs}, better 64."
        )
    truncation.check_stride(max_length, special)
    if pairs and special == tokenizer.num_special_tokens_to_add(pair=False):
        logger.warning(
            "nothing stands between the two texts of a pair: this tokenizer has no token for it. Join them with "
            "--text_column_delimiter ' | ' or another word of yours"
        )
