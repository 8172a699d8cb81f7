"""An unreachable Hub means the local cache at once; a proxy or a reachable Hub changes nothing."""

from __future__ import annotations

import socket

import datasets
import huggingface_hub
import pytest

from classification.data import hub_access
from classification.data.hub_access import OFFLINE_VARIABLES, offline_variable, work_offline_if_hub_is_unreachable


@pytest.fixture
def online(monkeypatch):
    """The libraries as they are with a network, restored after the test."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub_access, "getproxies", dict)


def refuse(*args, **kwargs):
    raise OSError("no route to host")


def test_the_cache_is_used_where_the_hub_cannot_be_reached(online, monkeypatch, caplog):
    monkeypatch.setattr(socket, "create_connection", refuse)
    work_offline_if_hub_is_unreachable()
    assert huggingface_hub.constants.HF_HUB_OFFLINE and datasets.config.HF_HUB_OFFLINE
    assert "the Hub cannot be reached: using the local cache only" in caplog.text


def test_a_proxy_is_trusted(online, monkeypatch):
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(hub_access, "getproxies", lambda: {"https": "http://proxy"})
    work_offline_if_hub_is_unreachable()
    assert not huggingface_hub.constants.HF_HUB_OFFLINE


def test_a_reachable_hub_changes_nothing(online, monkeypatch, caplog):
    places = []
    monkeypatch.setattr(socket, "create_connection", lambda place, timeout: places.append(place) or socket.socket())
    work_offline_if_hub_is_unreachable()
    assert not huggingface_hub.constants.HF_HUB_OFFLINE and not caplog.text
    assert len(places) == 1 and places[0][1] == 443


@pytest.mark.parametrize(
    ("hub", "transformers", "name"),
    [("1", None, "HF_HUB_OFFLINE"), (None, "yes", "TRANSFORMERS_OFFLINE"), ("", "1", "TRANSFORMERS_OFFLINE"),
     ("0", "1", None), (None, None, None), ("maybe", None, None)],
)  # fmt: skip
def test_the_variable_that_forbids_the_network_is_the_librarys(monkeypatch, hub, transformers, name):
    for variable, value in zip(OFFLINE_VARIABLES, (hub, transformers), strict=True):
        monkeypatch.delenv(variable, raising=False)
        if value is not None:
            monkeypatch.setenv(variable, value)
    assert offline_variable() == name
