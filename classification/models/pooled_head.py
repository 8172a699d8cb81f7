"""A head over any encoder that pools its hidden states by the first token, their mean or their maximum.

The file knows nothing of the rest of the recipe: `save_pretrained` copies it beside the weights, so that the model
loads anywhere with `trust_remote_code=True`.
"""

from __future__ import annotations

import inspect

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput
from transformers.utils.generic import can_return_tuple

# B rows, T tokens, H width of the hidden states, C labels.


class PooledConfig(PreTrainedConfig):
    """The config of the encoder, and how its hidden states are pooled.

    Args:
        encoder: the config, or the dictionary of one with its `model_type`.
        pooling: `cls` (the first token), `mean` or `max`.
        classifier_dropout: probability, on the pooled state in training.
    """

    model_type = "pooled_classifier"

    def __init__(self, encoder=None, pooling: str = "mean", classifier_dropout: float = 0.1, **kwargs):
        if encoder is not None and not isinstance(encoder, PreTrainedConfig):
            encoder = AutoConfig.for_model(**encoder)
        self.encoder = encoder
        self.pooling = pooling
        self.classifier_dropout = classifier_dropout
        super().__init__(**kwargs)

    def get_text_config(self, *args, **kwargs) -> PreTrainedConfig:
        """Lengths, layers and padding are the encoder's matter."""
        return self.encoder if self.encoder is not None else self

    def to_dict(self) -> dict:
        values = super().to_dict()
        if isinstance(self.encoder, PreTrainedConfig):
            values["encoder"] = self.encoder.to_dict()
            values["encoder"].pop("_name_or_path", None)  # a folder of the machine that it was trained on
        return values


class PooledForSequenceClassification(PreTrainedModel):
    """Encoder, pooling, dropout, one linear layer."""

    config_class = PooledConfig
    base_model_prefix = "encoder"
    supports_gradient_checkpointing = True
    _supports_sdpa = True

    def __init__(self, config: PooledConfig):
        super().__init__(config)
        self.num_labels = config.num_labels
        wanted = config._attn_implementation
        chosen = {} if wanted == "sdpa" else {"attn_implementation": wanted}  # sdpa: the encoder's own choice
        # Not in the format that the encoder's own file had: the head would be of another.
        self.encoder = AutoModel.from_config(config.encoder, dtype=torch.get_default_dtype(), **chosen)
        if getattr(self.encoder, "pooler", None) is not None:
            self.encoder.pooler = None  # unused, and several processes wait for the gradient of every weight
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.classifier = nn.Linear(config.encoder.hidden_size, config.num_labels)
        takes = inspect.signature(self.encoder.forward).parameters
        self._fixed = {"use_cache": False} if "use_cache" in takes else {}
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
        **kwargs,
    ) -> SequenceClassifierOutput:
        """input_ids, attention_mask and token_type_ids [B, T], labels [B] (or [B, C]) -> logits [B, C], loss [].

        Args:
            num_items_in_batch: taken from the Trainer and not used; the loss is the mean over the rows.
            kwargs: for the encoder: inputs_embeds, position_ids, output_hidden_states, ...
        """
        segments = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        outputs = self.encoder(
            input_ids=input_ids,
            attention_mask=attention_mask,
            return_dict=True,
            **segments,
            **self._fixed | kwargs,
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


def pool(states: torch.Tensor, attention_mask: torch.Tensor, how: str) -> torch.Tensor:
    """Hidden states [B, T, H] and mask [B, T] -> [B, H]; padding has no part in it."""
    if how == "cls":
        first = attention_mask.argmax(dim=1)  # of padding on the left, the first token behind it
        return states[torch.arange(len(states), device=states.device), first]
    mask = attention_mask.unsqueeze(-1).bool()
    if how == "max":
        return states.masked_fill(~mask, torch.finfo(states.dtype).min).amax(dim=1)
    mean = states.float().masked_fill(~mask, 0.0).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
    return mean.to(states.dtype)


AutoConfig.register(PooledConfig.model_type, PooledConfig, exist_ok=True)
AutoModelForSequenceClassification.register(PooledConfig, PooledForSequenceClassification, exist_ok=True)
PooledConfig.register_for_auto_class()
PooledForSequenceClassification.register_for_auto_class("AutoModelForSequenceClassification")
