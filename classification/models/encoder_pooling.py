"""How an encoder was trained to pool, from its files of sentence-transformers, beside what a new head pools."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath

import torch
from huggingface_hub import hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import EntryNotFoundError
from transformers import PreTrainedConfig, PreTrainedModel

from classification.errors import UsageError
from classification.messages.log import Line
from classification.models.adapter_folders import holds_adapter
from classification.models.choice import ModelChoice
from classification.models.load_checks import check_states, check_width
from classification.models.parts import output_layer
from classification.models.pooling import pools_itself

MODULES, USUAL_FOLDER = "modules.json", "1_Pooling"
WORDS = {
    "cls": "the first token",
    "mean": "the mean of all tokens",
    "max": "the maximum over all tokens",
    "mean_sqrt_len_tokens": "the sum of all tokens over the root of their number",
    "weightedmean": "a mean that weights later tokens more",
    "lasttoken": "the last token",
}
# The keys in older files: one for each pooling, true or false.
OLD_KEYS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
LONGEST = 40  # characters of an unknown pooling that are printed


def pooling_lines(
    choice: ModelChoice, base: ModelChoice | None, config: PreTrainedConfig, model: PreTrainedModel, new: set[str]
) -> list[Line]:
    """A line where a new head pools in another way than the encoder was trained with; empty where nothing is known.

    Args:
        base: the base model of an adapter; None where `choice` is a whole model.
        config: of the encoder.
        new: names of the tensors that no file has.
    """
    if choice.from_scratch or f"{output_layer(model)[0]}.weight" not in new:
        return []
    if hasattr(config, "attention_type"):  # BigBird: after one short text it never uses its sparse attention again
        return []
    trained = trained_pooling(base or choice)
    head = (choice.pooling or pooling_of_head(model)) if trained else None
    if not trained or trained == (head,):
        return []
    asked = f"{choice.pooling}, but " if choice.pooling else ""
    own = "" if asked or not head else f"; the new head reads {WORDS[head]}"
    remedy = describe_remedy(choice, config, model, trained)
    return [Line("pooling", f"{asked}the encoder was trained with {describe(trained)}{own}. {remedy}".rstrip())]


def describe(poolings: tuple[str, ...]) -> str:
    return " and ".join(WORDS.get(name, f"the pooling {name[:LONGEST]!r}") for name in poolings)


def describe_remedy(
    choice: ModelChoice, config: PreTrainedConfig, model: PreTrainedModel, trained: tuple[str, ...]
) -> str:
    """The flag for the encoder's pooling and what it costs; "" where the flag would be refused."""
    pooling = trained[0] if len(trained) == 1 else ""
    if pooling not in ("cls", "mean", "max"):
        return "--pooling does not offer that."
    if not choice.lora_merge or holds_adapter(choice.name):
        return ""
    flag = f"--pooling {pooling} reads the same and may be more accurate"
    if pools_itself(config, pooling):
        return f"{flag}; the model still loads everywhere."
    try:
        check_width(config, pooling)
        check_states(model.base_model, config, pooling)
    except UsageError:
        return ""
    return f"{flag}, but such a model loads with trust_remote_code only."


def pooling_of_head(model: PreTrainedModel) -> str | None:
    """`cls`, `lasttoken` or `mean`: the hidden states that the model's own head reads; None for another choice.

    They are those by which the logits have a gradient.
    """
    states: list[torch.Tensor] = []
    token = 2 if model.config.get_text_config().pad_token_id == 1 else 1  # some heads leave padding out by its id
    ids = torch.full((1, 4), token, device=model.device)
    hook = model.base_model.register_forward_hook(lambda module, inputs, outputs: states.append(outputs[0]))
    try:
        with torch.enable_grad():
            logits = model.eval()(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
            gradient = torch.autograd.grad(logits.sum(), states[-1])[0]
    except (AttributeError, IndexError, RuntimeError, TypeError, ValueError):
        return None
    finally:
        hook.remove()
    if gradient.shape[:2] != (1, 4) or gradient.dim() != 3:
        return None
    first = gradient[:, :1].expand_as(gradient)
    read = [position for position, state in enumerate(gradient[0]) if state.any()]
    if len(read) > 1:
        return "mean" if len(read) == 4 and torch.allclose(gradient, first) else None
    return {0: "cls", 3: "lasttoken"}.get(read[0]) if read else None


def trained_pooling(choice: ModelChoice) -> tuple[str, ...]:
    """The names of the poolings in the folder of sentence-transformers; empty without one, or with a damaged one."""
    folder = USUAL_FOLDER
    modules = read_json(choice, MODULES)
    if isinstance(modules, list):
        paths = [entry.get("path") for entry in modules if isinstance(entry, dict) and is_pooling(entry.get("type"))]
        if len(paths) != 1 or not isinstance(paths[0], str):
            return ()
        folder = paths[0]
    fields = read_json(choice, f"{folder}/config.json" if is_inside(folder) else "")
    if not isinstance(fields, dict):
        return ()
    mode = fields.get("pooling_mode")
    if isinstance(mode, str):
        return (mode,)
    if isinstance(mode, list) and mode and all(isinstance(name, str) for name in mode):
        return tuple(mode)
    on = tuple(name for key, name in OLD_KEYS.items() if fields.get(key) is True)
    return on or (("mean",) if fields.keys() & OLD_KEYS.keys() else ())  # the library's default


def is_pooling(kind: object) -> bool:
    """Whether the class of a module in modules.json is the pooling, in any version of sentence-transformers."""
    return isinstance(kind, str) and kind.split(".")[-1] == "Pooling"


def is_inside(folder: str) -> bool:
    path = PurePosixPath(folder)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts


def read_json(choice: ModelChoice, name: str) -> object:
    """A JSON file of the model; None where it is missing, damaged or cannot be reached."""
    file = find_file(choice, name) if name else None
    try:
        return None if file is None else json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def find_file(choice: ModelChoice, name: str) -> Path | None:
    """A file of the model's folder or of its repository on the Hub; None without it.

    The cache also knows which files a repository does not have, so that the Hub is asked once.
    """
    if Path(choice.name).exists():
        return Path(choice.name, name)
    hub = choice.hub
    try:
        cached = try_to_load_from_cache(choice.name, name, cache_dir=hub.cache_dir, revision=hub.revision)
        if cached is None:
            cached = hf_hub_download(
                choice.name, name, cache_dir=hub.cache_dir, revision=hub.revision, token=hub.token
            )  # fmt: skip
    except (EntryNotFoundError, OSError, ValueError):  # not there, no connection, or a name that no repository can have
        return None
    return Path(cached) if isinstance(cached, str) else None
