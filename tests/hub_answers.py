"""What a Hub for tests holds, and its answers to the requests that push a model and load it again."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from huggingface_hub import ModelCard

CUT = 0  # in the place of an HTTP status: the connection breaks after half of the request
ROUTES: list[tuple[str, re.Pattern[str], Callable[..., Any]]] = []
REPO = r"(?P<repo>[\w.-]+/[\w.-]+)"


class Refused(Exception):
    """An answer with an error: its status and the header that tells the client which error it is."""

    def __init__(self, status: int, code: str = "", message: str = "", **content: str):
        self.status, self.code, self.message, self.content = status, code, message, content


@dataclass
class Repository:
    """A repository: branch -> file name -> bytes."""

    private: bool = True
    branches: dict[str, dict[str, bytes]] = field(default_factory=lambda: {"main": {}})


@dataclass
class Fault:
    """The next `times` requests of this kind fail."""

    method: str
    path: re.Pattern[str]
    status: int
    times: int


@dataclass
class HubServer:
    """What the Hub holds, and what it was asked.

    Args:
        user: owner of the token. orgs: organisation -> the user's role. role: of the token, as `whoami-v2` names it.
        tokens: those that are accepted; empty for any.
        created: each new repository: its name, whether it is private, the token.
        commits: repository, branch, file names.
        before_commit: called when a commit arrives.
    """

    url: str = ""
    user: str = "me"
    orgs: dict[str, str] = field(default_factory=dict)
    role: str = "write"
    rights: dict[str, Any] | None = None
    tokens: set[str] = field(default_factory=set)
    repositories: dict[str, Repository] = field(default_factory=dict)
    created: list[dict[str, Any]] = field(default_factory=list)
    commits: list[tuple[str, str, set[str]]] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    large: dict[str, bytes] = field(default_factory=dict)
    before_commit: Callable[[], object] = lambda: None

    def fail(self, method: str, path: str, status: int, times: int = 1000) -> None:
        """Requests whose path has the regular expression `path` in it get this status, or break off (`CUT`)."""
        self.faults.append(Fault(method, re.compile(path), status, times))

    def add(self, repo: str, *, private: bool = True, files: tuple[str, ...] = ()) -> None:
        """A repository that was there before."""
        self.repositories[repo] = Repository(private, {"main": {name: b"old" for name in files}})

    def files(self, repo: str = "me/model", branch: str = "main") -> dict[str, bytes]:
        return self.repositories[repo].branches[branch]

    def fault_of(self, method: str, path: str) -> Fault | None:
        fault = next((one for one in self.faults if one.method == method and one.path.search(path) and one.times), None)
        if fault:
            fault.times -= 1
        return fault

    def find(self, repo: str) -> Repository:
        held = next((held for name, held in self.repositories.items() if name.lower() == repo.lower()), None)
        if held is None:
            raise Refused(404, "RepoNotFound", "Repository not found")
        return held

    def branch(self, repo: str, name: str) -> dict[str, bytes]:
        branches = self.find(repo).branches
        if name not in branches and name != commit_of(branches["main"]):
            raise Refused(404, "RevisionNotFound", "Invalid rev id")
        return branches.get(name, branches["main"])


def commit_of(files: dict[str, bytes]) -> str:
    return hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()


def route(method: str, path: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A function that answers requests; it gets the Hub, the body, the token, and the groups of the path."""

    def keep(function: Callable[..., Any]) -> Callable[..., Any]:
        ROUTES.append((method, re.compile(path), function))
        return function

    return keep


# ----------------------------------------------------------------------------------------------------------- answers


@route("GET", "/api/whoami-v2")
def whoami(hub: HubServer, body: bytes, token: str | None) -> dict[str, Any]:
    orgs = [{"type": "org", "name": name, "roleInOrg": role} for name, role in hub.orgs.items()]
    access = {"displayName": "test", "role": hub.role, **({"fineGrained": hub.rights} if hub.rights else {})}
    return {"type": "user", "name": hub.user, "orgs": orgs, "auth": {"type": "access_token", "accessToken": access}}


@route("POST", "/api/repos/create")
def create(hub: HubServer, body: bytes, token: str | None) -> dict[str, Any]:
    given = json.loads(body)
    owner = given.get("organization") or hub.user
    repo = f"{owner}/{given['name']}"
    if owner != hub.user and hub.orgs.get(owner) not in ("admin", "write", "contributor"):
        raise Refused(403, message=f"You don't have the rights to create a model under the namespace {owner}")
    if repo in hub.repositories:
        raise Refused(409, message="You already created this model repo", url=f"{hub.url}/{repo}")
    private = given.get("visibility") == "private" or bool(given.get("private"))
    hub.repositories[repo] = Repository(private)
    hub.created.append({"repo_id": repo, "private": private, "token": token})
    return {"url": f"{hub.url}/{repo}", "name": repo, "id": repo}


@route("GET", rf"/api/models/{REPO}(/revision/(?P<branch>[^/]+))?")
def info(hub: HubServer, body: bytes, token: str | None, repo: str, branch: str | None) -> dict[str, Any]:
    files = hub.branch(repo, branch or "main")
    names = [{"rfilename": name} for name in files]
    return {"id": repo, "private": hub.find(repo).private, "sha": commit_of(files), "siblings": names, "tags": []}


@route("GET", rf"/api/models/{REPO}/tree/(?P<branch>[^/]+)(?P<folder>/.*)?")
def tree(hub: HubServer, body: bytes, token: str | None, repo: str, branch: str, folder: str | None) -> list[Any]:
    if folder:
        raise Refused(404, "EntryNotFound", "no such folder")
    files = hub.branch(repo, branch).items()
    return [{"type": "file", "path": name, "size": len(held), "oid": etag(held)} for name, held in files]


@route("POST", "/api/validate-yaml")
def validate(hub: HubServer, body: bytes, token: str | None) -> dict[str, Any]:
    try:
        ModelCard(json.loads(body)["content"])
    except Exception as error:
        raise Refused(400, message=str(error)) from error
    return {"warnings": [], "errors": []}


@route("POST", rf"/api/models/{REPO}/preupload/(?P<branch>[^/]+)")
def preupload(hub: HubServer, body: bytes, token: str | None, repo: str, branch: str) -> dict[str, Any]:
    hub.branch(repo, branch)
    names = [file["path"] for file in json.loads(body)["files"]]
    modes = {name: "lfs" if name.endswith((".safetensors", ".model")) else "regular" for name in names}
    return {"files": [{"path": name, "uploadMode": modes[name], "shouldIgnore": False} for name in names]}


@route("POST", rf"/{REPO}\.git/info/lfs/objects/batch")
def batch(hub: HubServer, body: bytes, token: str | None, repo: str) -> dict[str, Any]:
    hub.find(repo)
    objects = [
        {**one, "actions": {"upload": {"href": f"{hub.url}/large/{one['oid']}"}}} for one in json.loads(body)["objects"]
    ]
    return {"transfer": "basic", "objects": objects}


@route("PUT", r"/large/(?P<oid>\w+)")
def put(hub: HubServer, body: bytes, token: str | None, oid: str) -> dict[str, Any]:
    if hashlib.sha256(body).hexdigest() != oid:
        raise Refused(400, message="the bytes are not those of the sha256")
    hub.large[oid] = body
    return {}


@route("POST", rf"/api/models/{REPO}/commit/(?P<branch>[^/]+)")
def commit(hub: HubServer, body: bytes, token: str | None, repo: str, branch: str) -> dict[str, Any]:
    hub.before_commit()
    files, sent = hub.branch(repo, branch), {}
    for line in map(json.loads, body.splitlines()):
        value = line["value"]
        if line["key"] == "file":
            sent[value["path"]] = base64.b64decode(value["content"])
        elif line["key"] == "lfsFile":
            sent[value["path"]] = hub.large[value["oid"]]
        elif line["key"] != "header":
            raise Refused(400, message=f"{line['key']} is not expected: nothing may be deleted")
    files |= sent
    hub.commits.append((repo, branch, set(sent)))
    return {"commitUrl": f"{hub.url}/{repo}/commit/{commit_of(files)}", "commitOid": commit_of(files)}


@route("POST", rf"/api/models/{REPO}/branch/(?P<branch>[^/]+)")
def branch(hub: HubServer, body: bytes, token: str | None, repo: str, branch: str) -> dict[str, Any]:
    branches = hub.find(repo).branches
    if branch in branches:
        raise Refused(409, message="Reference already exists")
    branches[branch] = dict(branches["main"])
    return {}


@route("GET", rf"/{REPO}/resolve/(?P<branch>[^/]+)/(?P<file>.+)")
def resolve(
    hub: HubServer, body: bytes, token: str | None, repo: str, branch: str, file: str
) -> tuple[bytes, dict[str, str]]:
    files = hub.branch(repo, branch)
    if file not in files:
        raise Refused(404, "EntryNotFound", "Entry not found")
    return files[file], {"X-Repo-Commit": commit_of(files), "ETag": f'"{etag(files[file])}"'}


def etag(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()
