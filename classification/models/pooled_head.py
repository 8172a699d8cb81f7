"""A classification head for any encoder: it pools the hidden states by the first token, their mean or their maximum.

This file imports nothing from the rest of the recipe: `save_pretrained` copies it beside the weights, so that the model
loads anywhere with `trust_remote_code=True`.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput
from transformers.utils.generic import can_return_tuple

# B rows, T tokens, H size of the hidden states, C labels.


class PooledConfig(PreTrainedConfig):
    """The encoder's config, and how its hidden states are pooled.

    Args:
        encoder: the encoder's config, or its fields as a dictionary with `model_type`.
        pooling: `cls` (the first token), `mean` or `max`.
        classifier_dropout: dropout on the pooled state.
    """

    model_type = "pooled_classifier"

    def __init__(
        self,
        encoder: PreTrainedConfig | dict | None = None,
        pooling: str = "mean",
        classifier_dropout: float = 0.1,
        **kwargs: Any,
    ) -> None:
        if encoder is not None and not isinstance(encoder, PreTrainedConfig):
            encoder = AutoConfig.for_model(**encoder)
        self.encoder = encoder
        self.pooling = pooling
        self.classifier_dropout = classifier_dropout
        super().__init__(**kwargs)

    def get_text_config(self, *args: Any, **kwargs: Any) -> PreTrainedConfig:
        """The encoder's config, which has the lengths, the layers and the padding."""
        return self.encoder if self.encoder is not None else self

    def to_dict(self) -> dict:
        values = super().to_dict()
        if isinstance(self.encoder, PreTrainedConfig):
            values["encoder"] = self.encoder.to_dict()
            values["encoder"].pop("_name_or_path", None)  # a path on the machine of the training
        return values


class PooledForSequenceClassification(PreTrainedModel):
    """Encoder, pooling, dropout, one linear layer."""

    config_class = PooledConfig
    base_model_prefix = "encoder"
    supports_gradient_checkpointing = True
    _supports_sdpa = True

    def __init__(self, config: PooledConfig) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels
        encoder = config.get_text_config()
        requested = config._attn_implementation
        attention = {} if requested == "sdpa" else {"attn_implementation": requested}  # sdpa: the encoder's own choice
        # The dtype is set because the encoder's file may have another one than the head.
        self.encoder = AutoModel.from_config(encoder, dtype=torch.get_default_dtype(), **attention)
        if getattr(self.encoder, "pooler", None) is not None:
            self.encoder.pooler = None  # unused, and distributed training waits for the gradient of every weight
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.classifier = nn.Linear(encoder.hidden_size, config.num_labels)  # type: ignore[arg-type]
        parameters = inspect.signature(self.encoder.forward).parameters
        self._constants = {"use_cache": False} if "use_cache" in parameters else {}
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        return self.encoder.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.encoder.set_input_embeddings(value)

    def _init_weights(self, module: nn.Module) -> None:
        if module is getattr(self, "classifier", None):
            nn.init.normal_(module.weight, std=getattr(self.config.encoder, "initializer_range", 0.02))
            nn.init.zeros_(module.bias)

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        **kwargs: Any,
    ) -> SequenceClassifierOutput:
        """input_ids, attention_mask and token_type_ids [B, T], labels [B] (or [B, C]) -> logits [B, C], loss [].

        Args:
            num_items_in_batch: an argument of the Trainer; ignored, because the loss is the mean over the rows.
            kwargs: inputs of the encoder: inputs_embeds, position_ids, output_hidden_states, ...
        """
        segments = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        outputs = self.encoder(
            input_ids=input_ids,
            attention_mask=attention_mask,
            return_dict=True,
            **segments,
            **self._constants | kwargs,
        )
        states = outputs.last_hidden_state
        if attention_mask is None:
            attention_mask = torch.ones(states.shape[:2], dtype=torch.long, device=states.device)
        logits = self.classifier(self.dropout(pool(states, attention_mask, self.config.pooling)))
        loss = None if labels is None else self.loss_function(labels, logits, self.config)
        return SequenceClassifierOutput(
            loss=loss,
            logits=logits,
            hidden_states=getattr(outputs, "hidden_states", None),
            attentions=getattr(outputs, "attentions", None),
        )


def pool(states: torch.Tensor, attention_mask: torch.Tensor, pooling: str) -> torch.Tensor:
    """Hidden states [B, T, H] and mask [B, T] -> [B, H]; padding is left out. `pooling` is `cls`, `mean` or `max`."""
    if pooling == "cls":
        first = attention_mask.argmax(dim=1)  # with padding on the left, the token behind it
        return states[torch.arange(len(states), device=states.device), first]
    mask = attention_mask.unsqueeze(-1).bool()
    if pooling == "max":
        return states.masked_fill(~mask, torch.finfo(states.dtype).min).amax(dim=1)
    mean = states.float().masked_fill(~mask, 0.0).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
    return mean.to(states.dtype)


AutoConfig.register(PooledConfig.model_type, PooledConfig, exist_ok=True)
AutoModelForSequenceClassification.register(PooledConfig, PooledForSequenceClassification, exist_ok=True)
PooledConfig.register_for_auto_class()
PooledForSequenceClassification.register_for_auto_class("AutoModelForSequenceClassification")
