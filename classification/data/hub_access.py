"""How the Hub is reached, what happens where it cannot be, and where a model is pushed to."""

from __future__ import annotations

import logging
import os
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import getproxies

import huggingface_hub
from huggingface_hub.errors import HFValidationError

logger = logging.getLogger(__name__)

OFFLINE_VARIABLES, ON = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"), ("1", "ON", "YES", "TRUE")
SHARED_REPORT = "report_without_texts.html"  # in the output folder; `report.html` on the Hub


@dataclass(frozen=True)
class HubAccess:
    """What every `from_pretrained` of a model or tokenizer needs to reach the Hub.

    Args:
        cache_dir: folder of downloads; None is the library's own.
        revision: branch, tag or commit of the model.
        token: access token; never written anywhere.
        trust_remote_code: whether code that comes with the model may run.
    """

    cache_dir: str | None = None
    revision: str = "main"
    token: str | None = field(default=None, repr=False)
    trust_remote_code: bool = False

    def arguments(self) -> dict[str, str | bool | None]:
        """The keyword arguments of `from_pretrained`."""
        return {
            "cache_dir": self.cache_dir,
            "revision": self.revision,
            "token": self.token,
            "trust_remote_code": self.trust_remote_code,
        }


def cached_commit(name: str, revision: str, cache_dir: str | None) -> str | None:
    """The commit of a model on the Hub that `revision` meant when it was downloaded; None for a local folder.

    Args:
        cache_dir: folder of downloads; None is the library's own.
    """
    if Path(name).exists():
        return None
    try:
        file = huggingface_hub.try_to_load_from_cache(name, "config.json", cache_dir=cache_dir, revision=revision)
    except HFValidationError:  # a name that no model on the Hub can have
        return None
    return Path(file).parent.name if isinstance(file, str) else None


@dataclass(frozen=True)
class PushTarget:
    """Where `--push_to_hub` sends the model that is kept.

    Args:
        repo_id: `name` or `owner/name` on the Hub.
        token: access token; None for the one in HF_TOKEN or of `hf auth login`. Never written anywhere.
        private: whether nobody else may read it.
        revision: branch; None for the main one.
        with_report: whether the report is pushed too, without texts.
    """

    repo_id: str
    token: str | None = field(default=None, repr=False)
    private: bool = True
    revision: str | None = None
    with_report: bool = False


def offline_variable() -> str | None:
    """The variable that forbids the network, as huggingface_hub reads them: the first that is not empty decides."""
    name = next((name for name in OFFLINE_VARIABLES if os.environ.get(name)), None)
    return name if name and os.environ[name].upper() in ON else None


def work_offline_if_hub_is_unreachable(timeout: float = 5.0) -> None:
    """Use the local cache at once where the Hub's host cannot be reached.

    The libraries would retry for half a minute before they fail. A proxy is trusted to know better.
    """
    endpoint = urlparse(huggingface_hub.constants.ENDPOINT)
    if huggingface_hub.constants.HF_HUB_OFFLINE or getproxies():
        return
    try:
        port = endpoint.port or (80 if endpoint.scheme == "http" else 443)
        socket.create_connection((endpoint.hostname or "", port), timeout=timeout).close()
    except OSError:
        logger.warning("the Hub cannot be reached: using the local cache only")
        os.environ["HF_HUB_OFFLINE"] = "1"  # for the processes that this run starts
        huggingface_hub.constants.HF_HUB_OFFLINE = True
        if "datasets" in sys.modules:  # it has read the variable already
            sys.modules["datasets"].config.HF_HUB_OFFLINE = True
