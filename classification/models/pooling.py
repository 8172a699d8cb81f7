"""`--pooling`: the model's own field for it, or a pretrained encoder under a pooled head."""

from __future__ import annotations

import copy

from transformers import AutoModel, PreTrainedConfig, PreTrainedModel

from classification.data.labels import LabelSpace
from classification.errors import UsageError
from classification.messages.log import Line
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

# Classes of the library that pool by a field of their config: model type -> the field, and its value for `--pooling`.
# A value that is not here, and any other type, needs the pooled head. Cohere's text model is causal: it has no `cls`.
OWN_POOLING = {
    "modernbert": ("classifier_pooling", {"cls": "cls", "mean": "mean"}),
    "ultrabert": ("classifier_pooling", {"cls": "cls", "mean": "mean"}),
    "modernvbert": ("classifier_pooling", {"cls": "cls", "mean": "mean"}),
    "ultravbert": ("classifier_pooling", {"cls": "cls", "mean": "mean"}),
    "eurobert": ("classifier_pooling", {"cls": "bos", "mean": "mean"}),
    "cohere_compass_text": ("pooling", {"mean": "mean"}),
    PooledConfig.model_type: ("pooling", {"cls": "cls", "mean": "mean", "max": "max"}),
}


def pools_itself(config: PreTrainedConfig, pooling: str) -> bool:
    """Whether the model's own class has this pooling, so that no other head is needed."""
    return pooling in OWN_POOLING.get(config.model_type, ("", {}))[1]


def set_own_pooling(config: PreTrainedConfig, pooling: str) -> bool:
    """Let the model's own class do the pooling if its config has a field for it (ModernBERT, or a pooled head).

    Raises:
        UsageError: a model whose class has a pooling of its own that is not one of these.
    """
    if isinstance(config, BiLstmConfig):
        raise UsageError(f"--pooling {pooling}: this model already pools the maximum and the mean. Leave the flag out.")
    if not pools_itself(config, pooling):
        return False
    field, values = OWN_POOLING[config.model_type]
    setattr(config, field, values[pooling])
    return True


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
