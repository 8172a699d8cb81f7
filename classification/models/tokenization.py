"""A tokenizer that agrees with its model: padding, segments, and how many tokens the model reads."""

from __future__ import annotations

from inspect import signature

from torch import nn
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from classification.data.hub_access import HubAccess
from classification.data.truncation import Truncation
from classification.errors import UsageError, first_line
from classification.messages.log import Line, warning
from classification.models.bilstm import BiLstmConfig

DEFAULT_LENGTH = 256
UNBOUNDED = 1_000_000  # tokenizers without a limit have 1e30


def load_tokenizer(name: str, hub: HubAccess) -> PreTrainedTokenizerBase:
    """Load a tokenizer from a local folder or the Hub.

    Raises:
        UsageError: no such tokenizer, or one without a vocabulary; names the remedy.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, **hub.arguments())
    except Exception as error:  # of a damaged vocabulary, the tokenizers library raises an Exception of no kind
        raise UsageError(
            f"tokenizer {name}: does not load: {first_line(error)} Name another model with --model_name_or_path, or "
            "another tokenizer with --tokenizer_name."
        ) from error
    if len(tokenizer) <= len(set(tokenizer.all_special_ids)):  # what the library makes of a folder without its files
        raise UsageError(
            f"tokenizer {name}: does not load: its files are missing, so that it knows no words. Name another model "
            "with --model_name_or_path, or another tokenizer with --tokenizer_name."
        )
    return tokenizer


def fit_tokenizer(
    tokenizer: PreTrainedTokenizerBase,
    model: PreTrainedModel,
    max_length: int | None,
    truncation: Truncation,
    *,
    training: bool,
) -> list[Line]:
    """Make tokenizer and model agree on padding, segments, length and truncation, for now and for what is saved.

    Args:
        max_length: tokens per text or window. None is 256, or what the model reads if that is less; without training,
            the length that was saved with the model.

    Raises:
        UsageError: as from `fit_padding`, or `max_length` is more than the model reads.
    """
    lines = fit_padding(tokenizer, model)
    if training:
        fit_segments(tokenizer, model)
    limit = longest_input(model, tokenizer)
    if max_length is None:
        saved = DEFAULT_LENGTH if training else tokenizer.model_max_length
        max_length = min(saved, limit or DEFAULT_LENGTH)
    is_lstm = isinstance(model.config, BiLstmConfig)  # it has no table of positions
    check_length(max_length, None if is_lstm else limit)
    tokenizer.model_max_length = max_length  # saved with the model: `truncation=True` cuts where training did
    set_side(tokenizer, "truncation_side", truncation.side)
    truncation.write_to(model.config)
    return lines


def set_side(tokenizer: PreTrainedTokenizerBase, name: str, side: str) -> None:
    """Set `padding_side` or `truncation_side`, also for saving: the library saves only the arguments of creation."""
    setattr(tokenizer, name, side)
    tokenizer.init_kwargs[name] = side


def fit_padding(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> list[Line]:
    """Choose a pad token that model and tokenizer share, and pad on the right.

    Decoders have no pad token, or one that only the tokenizer has. The end-of-text token then serves as one: the mask
    tells the model which are padding (and the library's heads, which pool the last token, compare ids). Padding on the
    left would shift the positions of most models; only a head that pools the last position needs it.

    Raises:
        UsageError: no pad token and no end-of-text token that the model knows, or another pad token than the one from
            which the model counts its positions.
    """
    problem = fit_pad_token(tokenizer, model.get_input_embeddings().get_parameter("weight").shape[0])
    lines = [Line("padding", f"with {tokenizer.pad_token}: {problem}")] if problem else []
    _check_positions(tokenizer, model)
    for config in (model.config, model.config.get_text_config()):
        config.pad_token_id = tokenizer.pad_token_id
    pools_last = getattr(model.config, "summary_type", None) == "last"  # XLNet
    set_side(tokenizer, "padding_side", "left" if pools_last else "right")
    return lines


def fit_pad_token(tokenizer: PreTrainedTokenizerBase, known: int) -> str:
    """Let the end-of-text token pad where the model does not know the pad token.

    Args:
        known: how many tokens the model has embeddings for.

    Returns:
        What is wrong with the pad token; empty where nothing is.

    Raises:
        UsageError: the model does not know the end-of-text token either.
    """
    if tokenizer.pad_token_id is not None and tokenizer.pad_token_id < known:
        return ""
    problem = "the tokenizer has no pad token"
    if tokenizer.pad_token_id is not None:
        problem = f"the model has no embedding for {tokenizer.pad_token}"
    if tokenizer.eos_token_id is None or tokenizer.eos_token_id >= known:
        raise UsageError(
            f"tokenizer {tokenizer.name_or_path}: {problem}, and there is no end-of-text token to use instead, so "
            "texts of different lengths cannot form a batch. Name another tokenizer with --tokenizer_name."
        )
    tokenizer.pad_token = tokenizer.eos_token
    return problem


def _check_positions(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> None:
    for table in position_tables(model):
        if table.padding_idx is not None and table.padding_idx != tokenizer.pad_token_id:
            raise UsageError(
                f"--tokenizer_name {tokenizer.name_or_path}: pads with token {tokenizer.pad_token_id}, but the model "
                f"counts positions from its own pad token, {table.padding_idx}: they do not belong together. Leave the "
                "flag out, or name the tokenizer of this model."
            )


def fit_segments(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> None:
    """Make the tokenizer return segments (`token_type_ids`) if the model was trained with two of them.

    ALBERT's tokenizer in transformers 5 leaves them out although the model has two segments.
    """
    names = tokenizer.model_input_names
    if "token_type_ids" in names or getattr(model.config.get_text_config(), "type_vocab_size", 0) < 2:
        return
    pair = tokenizer("a", "b", return_token_type_ids=True)["token_type_ids"]
    if set(pair) == {0, 1} and "token_type_ids" in signature(model.forward).parameters:
        tokenizer.model_input_names = [*names, "token_type_ids"]
        tokenizer.init_kwargs["model_input_names"] = tokenizer.model_input_names


def longest_input(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int | None:
    """How many tokens the model can read, None where nothing limits it.

    The position table decides. Only a model without one is limited by its tokenizer, whose length may be the
    `--max_seq_length` of an earlier training. Position tables like RoBERTa's start at `padding_idx + 1`: 514 positions
    are 512 tokens.
    """
    positions = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if positions and positions > 0:
        offsets = [table.padding_idx + 1 for table in position_tables(model) if table.padding_idx is not None]
        return positions - max(offsets, default=0)
    return tokenizer.model_max_length if tokenizer.model_max_length < UNBOUNDED else None


def position_tables(model: PreTrainedModel) -> list[nn.Embedding]:
    """The embeddings of absolute positions; `padding_idx` is set where positions are counted from it."""
    return [
        module
        for name, module in model.named_modules()
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding)
    ]


def check_length(max_seq_length: int, limit: int | None) -> None:
    """Raise a UsageError if the model reads at most `limit` tokens and `max_seq_length` is more."""
    if limit is not None and max_seq_length > limit:
        raise UsageError(
            f"--max_seq_length {max_seq_length}: this model reads at most {limit} tokens. "
            f"Pass --max_seq_length {limit} or choose a longer model."
        )


def check_room(tokenizer: PreTrainedTokenizerBase, truncation: Truncation, *, pairs: bool) -> list[Line]:
    """Check that `tokenizer.model_max_length` has room for the texts beside the special tokens.

    Returns:
        A warning where no special token separates the two texts of a pair (GPT-2).

    Raises:
        UsageError: no room for one token per text, or a stride that is longer than a window.
    """
    max_length, special = tokenizer.model_max_length, tokenizer.num_special_tokens_to_add(pair=pairs)
    if max_length - special < 1 + pairs:
        raise UsageError(
            f"--max_seq_length {max_length}: {special} of the tokens are special ones, so that there is no room for "
            f"{'two texts' if pairs else 'a text'}. Pass at least {special + 1 + pairs}, better 64."
        )
    truncation.check_stride(max_length, special)
    if pairs and special == tokenizer.num_special_tokens_to_add(pair=False):
        return [
            warning(
                "this tokenizer has no token that separates the two texts of a pair. Join them with "
                "--text_column_delimiter ' | ' or another word of your choice"
            )
        ]
    return []
