"""A model that is made, not loaded: its vocabulary and its random weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from classification.messages.log import Line
from classification.models.bilstm import BiLstmConfig, BiLstmForSequenceClassification
from classification.models.choice import ModelChoice
from classification.models.tokenization import load_tokenizer

if TYPE_CHECKING:
    from datasets import Dataset


def make_tokenizer(choice: ModelChoice, config: PreTrainedConfig, train: Dataset | None) -> PreTrainedTokenizerBase:
    """The tokenizer of the model; for a model from scratch one that is trained on `train`, which sets `vocab_size`."""
    if not choice.from_scratch or train is None:
        return load_tokenizer(choice.tokenizer_name or choice.name, choice.hub)
    from classification.models.bilstm_tokenizer import all_texts, train_tokenizer

    tokenizer = train_tokenizer(all_texts(train))
    config.vocab_size = len(tokenizer)
    return tokenizer


def new_model(config: BiLstmConfig) -> tuple[PreTrainedModel, set[str], Line]:
    """A bidirectional LSTM with random weights, and the names of its tensors: all are new."""
    model = BiLstmForSequenceClassification(config)
    tensors, pieces = set(model.state_dict()), config.vocab_size
    text = f"{config.model_type}: random weights, {len(tensors)} tensors; a vocabulary of {pieces} pieces, from train"
    return model, tensors, Line("model", text)
