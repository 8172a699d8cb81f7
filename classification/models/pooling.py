"""`--pooling`: the model's own field for it, or a pretrained encoder under a pooled head."""

from __future__ import annotations

import copy

from transformers import AutoModel, PreTrainedConfig, PreTrainedModel

from classification.data.labels import LabelSpace
from classification.errors import UsageError
from classification.log import Line
from classification.models.bilstm import BiLstmConfig
from classification.models.choice import ModelChoice
from classification.models.load_checks import (
    CONFIG_ERRORS,
    LOAD_ERRORS,
    check_states,
    check_width,
    explain_load_error,
)
from classification.models.pooled_head import PooledConfig, PooledForSequenceClassification
from classification.models.weights import read_weights


def set_own_pooling(config: PreTrainedConfig, pooling: str) -> bool:
    """Let the model's own class do the pooling if its config has a field for it (ModernBERT, or a pooled head).

    Raises:
        UsageError: a model whose class has a pooling of its own that is not one of these.
    """
    if isinstance(config, BiLstmConfig):
        raise UsageError(f"--pooling {pooling}: this model already pools the maximum and the mean. Leave the flag out.")
    if isinstance(config, PooledConfig):
        config.pooling = pooling
        return True
    if hasattr(config, "classifier_pooling") and pooling in ("cls", "mean"):
        config.classifier_pooling = pooling
        return True
    return False


def load_pooled(
    choice: ModelChoice, config: PreTrainedConfig, task: LabelSpace, attention: str | None
) -> tuple[PreTrainedModel, set[str], Line]:
    """The pretrained encoder under a new pooled head, and the names of the head's tensors.

    The encoder exists once: the one of random weights, which the class makes, is gone before the weights are read.

    Raises:
        UsageError: as from `check_states`.
    """
    pooling, own = str(choice.pooling), copy.deepcopy(config)
    check_width(config, pooling)
    dropout = getattr(config, "hidden_dropout_prob", 0.1)
    pooled = PooledConfig(config, pooling, classifier_dropout=dropout, attn_implementation=attention)
    task.write_to(pooled)
    try:
        model = PooledForSequenceClassification(pooled)
    except (*LOAD_ERRORS, *CONFIG_ERRORS) as error:
        raise explain_load_error(choice.name, error, new_head=True) from error
    head = {name for name in model.state_dict() if not name.startswith("encoder.")}
    model.encoder = None
    encoder, _, line = read_weights(choice.name, choice, own, attention, any_head=False, new_head=True, auto=AutoModel)
    check_states(encoder, own, pooling)
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None  # the pooled head replaces it
    model.encoder = encoder
    return model, head, line
