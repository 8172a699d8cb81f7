"""Data sets of the Hub, and local folders with the Hub's layout or from `save_to_disk`."""

from __future__ import annotations

from pathlib import Path

import datasets
import huggingface_hub
from datasets import DatasetDict
from datasets.exceptions import DatasetGenerationError, DatasetNotFoundError

from classification.errors import UsageError

READ_ERRORS = (DatasetGenerationError, ValueError, StopIteration, OSError, TypeError, KeyError, RuntimeError)


def read_hub(name: str, config: str | None, *, cache_dir: str | None, token: str | None = None) -> DatasetDict:
    """Every split of a data set on the Hub or in a local folder.

    Raises:
        UsageError: not found, unreachable, or a configuration must be chosen; names `--dataset_name` and the remedy.
    """
    folder = Path(name)
    try:
        if (folder / "dataset_dict.json").is_file():
            return DatasetDict.load_from_disk(str(folder))
        full = full_name(name, cache_dir=cache_dir, token=token)
        loaded = datasets.load_dataset(full, config, cache_dir=cache_dir, token=token)
    except (DatasetNotFoundError, ConnectionError, FileNotFoundError) as error:
        offline = huggingface_hub.constants.HF_HUB_OFFLINE
        remedy = (
            "The Hub cannot be reached, and the data set is neither a local folder nor in the cache. Give local files "
            "with --train_file, or connect to the network (and unset HF_HUB_OFFLINE)."
            if offline
            else "Check the spelling, pass --token if it is private, or give local files with --train_file."
        )
        raise UsageError(f"--dataset_name {name}: {remedy}") from error
    except READ_ERRORS as error:
        reason = str(error.__cause__ or error).strip().splitlines()
        hint = " Choose one with --dataset_config_name." if "onfig name is missing" in str(error) else ""
        raise UsageError(f"--dataset_name {name}: {' '.join(reason[:3])}{hint}") from error
    if not isinstance(loaded, DatasetDict):
        raise UsageError(f"--dataset_name {name}: has no named splits. Give files with --train_file.")
    return loaded


def full_name(name: str, *, cache_dir: str | None, token: str | None) -> str:
    """`imdb` -> `stanfordnlp/imdb`: the Hub still resolves the old names, `load_dataset` does not.

    https://github.com/huggingface/datasets/issues/8612. Offline, the name is looked up in the cache. A name that is
    not found is returned unchanged.
    """
    if "/" in name or Path(name).exists():
        return name
    if huggingface_hub.constants.HF_HUB_OFFLINE:
        cached = list(Path(cache_dir or datasets.config.HF_DATASETS_CACHE).glob(f"*___{name}"))
        return cached[0].name.replace("___", "/") if len(cached) == 1 else name
    try:
        return huggingface_hub.HfApi(token=token).dataset_info(name).id
    except (huggingface_hub.errors.HfHubHTTPError, OSError):
        return name
