"""Which model to use, and how, as one value."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from classification.data.hub_access import HubAccess


@dataclass(frozen=True)
class ModelChoice:
    """The model, its head, what it reads of a text, and which parameters train.

    Args:
        name: a local folder or a name on the Hub.
        config_name, tokenizer_name: folders or Hub names to use instead of the model's own config or tokenizer.
        from_scratch: make a new bidirectional LSTM with random weights and a vocabulary of its own; `name` is not read.
        pooling: `cls`, `mean` or `max` for a pooled head, None for the model's own head.
        attention_dropout: None for the model's own.
        ignore_mismatched_sizes: replace a head that was trained for other labels.
        max_length: tokens per text or window. None means 256, or what the model reads if that is less; without
            training, the length that was saved with the model.
        truncation_strategy, window_stride: as for `Truncation.choose`.
        freeze, freeze_layers: as for `freezing.frozen_names`.
        lora_r: rank of the adapters, None for none.
        lora_merge: whether the adapters are merged into the weights before saving.
    """

    name: str
    config_name: str | None = None
    tokenizer_name: str | None = None
    hub: HubAccess = field(default_factory=HubAccess)
    from_scratch: bool = False
    pooling: str | None = None
    attention_dropout: float | None = None
    ignore_mismatched_sizes: bool = False
    max_length: int | None = None
    truncation_strategy: str | None = None
    window_stride: int | None = None
    freeze: str = "none"
    freeze_layers: int = 0
    lora_r: int | None = None
    lora_merge: bool = True

    @property
    def needs_hub(self) -> bool:
        return not self.from_scratch and not Path(self.name).exists()

    @property
    def paths(self) -> list[str]:
        """The local folder that is read, if there is one."""
        return [self.name] if not self.from_scratch and Path(self.name).exists() else []
