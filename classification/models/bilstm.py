"""A bidirectional LSTM for text classification, as a transformers model: small, and trained from random weights.

Hochreiter and Schmidhuber 1997, Long Short-Term Memory; Schuster and Paliwal 1997, Bidirectional Recurrent Neural
Networks. This file imports nothing from the rest of the recipe: `save_pretrained` copies it beside the weights, so that
the model loads anywhere with `trust_remote_code=True`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput, SequenceClassifierOutput
from transformers.utils.generic import can_return_tuple

# B rows, T tokens, E embedding size, H size of a token's state (both directions together), C labels.


class BiLstmConfig(PreTrainedConfig):
    """Sizes of the model. It has no position table, so that it reads texts of any length.

    Args:
        embedding_size: E.
        hidden_size: H, an even number; each direction has half of it.
        num_hidden_layers: each layer reads the states of both directions of the layer below.
        hidden_dropout_prob: dropout on the embeddings and between layers.
        classifier_dropout: dropout on the pooled states.
        initializer_range: standard deviation of new embeddings and of the new head.

    Raises:
        ValueError: an odd `hidden_size`.
    """

    model_type = "bilstm"

    def __init__(
        self,
        vocab_size: int = 30_000,
        embedding_size: int = 128,
        hidden_size: int = 256,
        num_hidden_layers: int = 1,
        hidden_dropout_prob: float = 0.5,
        classifier_dropout: float = 0.5,
        initializer_range: float = 0.1,
        pad_token_id: int = 0,
        **kwargs: Any,
    ) -> None:
        if hidden_size % 2:
            raise ValueError(f"hidden_size {hidden_size}: must be even, one half per direction.")
        self.vocab_size = vocab_size
        self.embedding_size = embedding_size
        self.hidden_size = hidden_size
        self.num_hidden_layers = num_hidden_layers
        self.hidden_dropout_prob = hidden_dropout_prob
        self.classifier_dropout = classifier_dropout
        self.initializer_range = initializer_range
        super().__init__(pad_token_id=pad_token_id, **kwargs)  # type: ignore[call-arg]


class BiLstmLayer(nn.Module):
    """Two LSTMs, one per direction.

    Each LSTM reads the tokens in the order of its direction and the padding last, so that padding changes no token's
    state. Packed sequences do the same, but torch's fused kernels do not support them: on a CPU they take four to
    eight times as long.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.onward = nn.LSTM(input_size, hidden_size // 2, batch_first=True)
        self.back = nn.LSTM(input_size, hidden_size // 2, batch_first=True)

    def forward(self, states: torch.Tensor, orders: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """States [B, T, E or H], two orders [B, T] of `reading_orders` -> [B, T, H]. Padding: any state."""
        rows = torch.arange(len(states), device=states.device)[:, None]
        directions = [
            lstm(states[rows, order])[0][rows, order.argsort(dim=1)]
            for lstm, order in zip((self.onward, self.back), orders, strict=True)
        ]
        return torch.cat(directions, dim=-1)


def reading_orders(attention_mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The positions of each row's tokens from left to right and from right to left, followed by those of padding.

    Mask [B, T] -> two [B, T]. Padding may be on either side.
    """
    positions = torch.arange(attention_mask.shape[1], device=attention_mask.device)
    padding = attention_mask.eq(0) * len(positions)
    return (padding + positions).argsort(dim=1), (padding * 2 - positions).argsort(dim=1)


class BiLstmPreTrainedModel(PreTrainedModel):
    config_class = BiLstmConfig
    base_model_prefix = "bilstm"

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Initialise like the library, but with a forget-gate bias of 1.

        Jozefowicz et al. 2015, An Empirical Exploration of Recurrent Network Architectures.
        """
        super()._init_weights(module)
        if isinstance(module, nn.LSTM):
            bias = module.get_parameter("bias_ih_l0")
            bias[module.hidden_size : 2 * module.hidden_size] = 1.0


class BiLstmModel(BiLstmPreTrainedModel):
    """Embeddings, dropout, layers."""

    def __init__(self, config: BiLstmConfig) -> None:
        super().__init__(config)
        self.embeddings: nn.Module = nn.Embedding(
            config.vocab_size, config.embedding_size, padding_idx=config.pad_token_id
        )
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        sizes = [config.embedding_size] + [config.hidden_size] * (config.num_hidden_layers - 1)
        self.layers = nn.ModuleList(BiLstmLayer(size, config.hidden_size) for size in sizes)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        return self.embeddings

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.embeddings = value

    @can_return_tuple
    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **kwargs: Any
    ) -> BaseModelOutput:
        """input_ids and attention_mask [B, T] -> last_hidden_state [B, T, H].

        Args:
            kwargs: inputs of other models; ignored.
        """
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        orders = reading_orders(attention_mask)
        states = self.embeddings(input_ids)
        for layer in self.layers:
            states = layer(self.dropout(states), orders)
        return BaseModelOutput(last_hidden_state=states)


class BiLstmForSequenceClassification(BiLstmPreTrainedModel):
    """Maximum and mean of the tokens' states, dropout, one linear layer."""

    def __init__(self, config: BiLstmConfig) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels
        self.bilstm = BiLstmModel(config)
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.classifier = nn.Linear(2 * config.hidden_size, config.num_labels)  # type: ignore[arg-type]
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        **kwargs: Any,
    ) -> SequenceClassifierOutput:
        """input_ids and attention_mask [B, T], labels [B] (or [B, C]) -> logits [B, C], loss [].

        Args:
            token_type_ids: [B, T]; ignored, because the separator token divides the texts of a pair.
            num_items_in_batch: an argument of the Trainer; ignored, because the loss is the mean over the rows.
            kwargs: inputs of other models; ignored.
        """
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        states = self.bilstm(input_ids, attention_mask, return_dict=True).last_hidden_state
        logits = self.classifier(self.dropout(max_and_mean(states, attention_mask)))
        loss = None if labels is None else self.loss_function(labels, logits, self.config)
        return SequenceClassifierOutput(loss=loss, logits=logits)


def max_and_mean(states: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    """States [B, T, H] and mask [B, T] -> [B, 2 H]; padding is left out."""
    padding = attention_mask.eq(0).unsqueeze(-1)
    highest = states.masked_fill(padding, torch.finfo(states.dtype).min).amax(dim=1)
    mean = states.float().masked_fill(padding, 0.0).sum(dim=1) / attention_mask.sum(dim=1, keepdim=True).clamp(min=1)
    return torch.cat([highest, mean.to(states.dtype)], dim=-1)


AutoConfig.register(BiLstmConfig.model_type, BiLstmConfig, exist_ok=True)
AutoModel.register(BiLstmConfig, BiLstmModel, exist_ok=True)
AutoModelForSequenceClassification.register(BiLstmConfig, BiLstmForSequenceClassification, exist_ok=True)
BiLstmConfig.register_for_auto_class()
BiLstmModel.register_for_auto_class("AutoModel")
BiLstmForSequenceClassification.register_for_auto_class("AutoModelForSequenceClassification")
