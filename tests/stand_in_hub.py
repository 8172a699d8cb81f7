"""A Hub that records what it is asked to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
from huggingface_hub import RepoUrl
from huggingface_hub.errors import HfHubHTTPError


class StandInHub:
    """Records what `huggingface_hub.HfApi` is asked to do and sends nothing.

    `created` holds the arguments of each new repository, `commits` what was sent: (repository, branch, file names), and
    `existing` the repositories that were there before: name -> {"private": bool, "files": [...]}. `contents` are the
    bytes that were sent, by file name.
    """

    def __init__(self, monkeypatch):
        self.created: list[dict] = []
        self.commits: list[tuple] = []
        self.branches: list[tuple] = []
        self.existing: dict[str, dict] = {}
        self.contents: dict[str, bytes] = {}
        self.before_commit: Callable[[], object] = lambda: None
        for name in ("create_repo", "create_commit", "create_branch", "model_info"):
            method = getattr(self, name)
            monkeypatch.setattr(huggingface_hub.HfApi, name, lambda api, method=method, **given: method(**given))
        for name in ("upload_folder", "upload_file", "whoami"):
            monkeypatch.setattr(huggingface_hub.HfApi, name, self.refuse)

    def refuse(self, *_, **__):
        raise AssertionError("a push of a whole folder, or a question to the Hub before the push")

    def create_repo(self, **given):
        name = given["repo_id"] if "/" in given["repo_id"] else f"someone/{given['repo_id']}"
        if name in self.existing and not given["exist_ok"]:
            raise HfHubHTTPError("409 Conflict", response=SimpleNamespace(status_code=409, headers={}, request=None))
        self.created.append(given)
        return RepoUrl(f"https://huggingface.co/{name}")

    def create_commit(self, *, repo_id, operations, commit_message, revision, token):
        self.before_commit()
        names = {operation.path_in_repo for operation in operations}
        self.contents |= {op.path_in_repo: Path(op.path_or_fileobj).read_bytes() for op in operations}
        self.commits.append((repo_id, revision, names))

    def create_branch(self, *, repo_id, branch, exist_ok, token):
        self.branches.append((repo_id, branch))

    def model_info(self, *, repo_id, token):
        held = self.existing[repo_id]
        files = [SimpleNamespace(rfilename=name) for name in held["files"]]
        return SimpleNamespace(private=held["private"], siblings=files)
