"""`--pooling`: the model's own field for it, or a pretrained encoder under a pooled head."""

from __future__ import annotations

from transformers import AutoModel, PreTrainedConfig, PreTrainedModel

from classification.data.labels import LabelSpace
from classification.log import Line
from classification.models.choice import ModelChoice
from classification.models.load_checks import check_states
from classification.models.pooled_head import PooledConfig, PooledForSequenceClassification
from classification.models.weights import read_weights


def set_own_pooling(config: PreTrainedConfig, pooling: str) -> bool:
    """Let the model's own class do the pooling if its config has a field for it (ModernBERT, or a pooled head)."""
    if isinstance(config, PooledConfig):
        config.pooling = pooling
        return True
    if hasattr(config, "classifier_pooling") and pooling in ("cls", "mean"):
        config.classifier_pooling = pooling
        return True
    return False


def load_pooled(
    choice: ModelChoice, config: PreTrainedConfig, task: LabelSpace, attention: str | None
) -> tuple[PreTrainedModel, list[Line]]:
    """The pretrained encoder under a new pooled head.

    Raises:
        UsageError: as from `check_states`.
    """
    pooling = str(choice.pooling)
    encoder, line = read_weights(choice.name, choice, config, attention, any_head=False, new_head=True, auto=AutoModel)
    check_states(encoder, config, pooling)
    dropout = getattr(config, "hidden_dropout_prob", 0.1)
    pooled = PooledConfig(config, pooling, classifier_dropout=dropout, attn_implementation=attention)
    task.write_to(pooled)
    model = PooledForSequenceClassification(pooled)
    # The pooled head replaces the encoder's own pooler.
    weights = {name: tensor for name, tensor in encoder.state_dict().items() if not name.startswith("pooler.")}
    model.encoder.load_state_dict(weights)
    return model, [line]
