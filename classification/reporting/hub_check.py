"""Before training: would a push succeed? The Hub is asked whose token it is, and what it holds under the name.

Nothing is created. What the Hub does not tell, such as a quota, is found at the push.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import constants
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status, http_backoff

from classification.data.hub_access import OFFLINE_VARIABLES, PushTarget, offline_variable
from classification.errors import UsageError, first_line
from classification.messages.log import Line, warning
from classification.messages.redaction import hide_secrets
from classification.reporting.differences import mapping
from classification.reporting.hub_push import later_command

SECONDS, RETRIES, FIRST_WAIT = 20.0, 2, 1.0  # an answer may take so long; then the Hub is asked again
BROKEN = (500, 502, 503, 504)  # HTTP: worth another try
UNKNOWN, FORBIDDEN, MISSING, BUSY = 401, 403, 404, 429
READERS = ("read", "no_access")  # roles in an organisation


def check_hub(target: PushTarget, folder: Path) -> list[Line]:
    """Ask the Hub about the token and the repository; what the push will do, as a line of the log.

    Raises:
        UsageError: the push cannot succeed: offline, no answer, a token that may not write there, a name that is taken.
    """
    refuse_offline(target, folder)
    try:
        return look_up(target)
    except UsageError:
        raise
    except Exception as error:  # whatever the network and three libraries can raise
        secrets = [target.token] if target.token else []
        raise UsageError(
            f"--push_to_hub: the Hub at {constants.ENDPOINT} gives no answer that can be used "
            f"({hide_secrets(first_line(error), secrets).rstrip('.')}). Try again, or leave --push_to_hub out and push "
            f"after the training: {later_command(target, folder)}"
        ) from None


def refuse_offline(target: PushTarget, folder: Path) -> None:
    if constants.HF_HUB_OFFLINE:
        name = offline_variable() or OFFLINE_VARIABLES[0]
        raise UsageError(
            f"--push_to_hub: {name} is set, so that nothing can be pushed. Unset it, or leave --push_to_hub out and "
            f"push after the training: {later_command(target, folder)}"
        )


def look_up(target: PushTarget) -> list[Line]:
    """Check the token, then the repository of that name, if there is one.

    Raises:
        UsageError: the token may not write there, or the name is taken.
    """
    account, repo_id = ask_account(target), target.repo_id
    if account is None:
        lines = [warning("push: the Hub is too busy to check the access token, which may fail at the push")]
        if "/" not in repo_id:
            return lines
    else:
        repo_id, lines = repo_id if "/" in repo_id else f"{account['name']}/{repo_id}", []
        check_account(account, repo_id)
    held = ask_held(target, repo_id)
    if held is not None:
        check_held(target, repo_id, held)
    return [*lines, describe(target, repo_id, held)]


# ---------------------------------------------------------------------------------------------------------- questions


def ask(target: PushTarget, path: str) -> dict[str, Any]:
    """The Hub's answer to a question that changes nothing."""
    response = http_backoff(
        "GET", f"{constants.ENDPOINT}/api/{path}", max_retries=RETRIES, base_wait_time=FIRST_WAIT,
        retry_on_status_codes=BROKEN, headers=build_hf_headers(token=target.token or True), timeout=SECONDS,
    )  # fmt: skip
    hf_raise_for_status(response)
    content = response.json()
    if not isinstance(content, dict):
        raise ValueError("the answer is not that of a Hub")
    return content


def ask_account(target: PushTarget) -> dict[str, Any] | None:
    """Who the token belongs to; None where the Hub is too busy to tell, as it limits this question.

    Raises:
        UsageError: the Hub does not accept the token.
    """
    try:
        account = ask(target, "whoami-v2")
    except HfHubHTTPError as error:
        code = error.response.status_code
        if code == BUSY:
            return None
        if code not in (UNKNOWN, FORBIDDEN):
            raise
        source = "--hub_token or --token" if target.token else "HF_TOKEN" if os.environ.get("HF_TOKEN") else "the login"
        raise UsageError(
            f"--push_to_hub: the Hub does not accept the access token of {source}. Make a token with write access on "
            f"{token_page()} and run hf auth login, set HF_TOKEN, or pass --token."
        ) from None
    if not isinstance(account.get("name"), str):
        raise ValueError("the answer is not that of a Hub")
    return account


def ask_held(target: PushTarget, repo_id: str) -> dict[str, Any] | None:
    """What the Hub says of the repository; None where it has none of this name that the token may see."""
    try:
        return ask(target, f"models/{repo_id}")
    except RepositoryNotFoundError:
        return None
    except HfHubHTTPError as error:
        if error.response.status_code == MISSING:
            return None
        if error.response.status_code != FORBIDDEN:
            raise
        raise UsageError(
            f"--push_to_hub: {repo_id} exists, and the access token may not read it. Choose another --hub_model_id."
        ) from None


def token_page() -> str:
    return f"{constants.ENDPOINT}/settings/tokens"


# ----------------------------------------------------------------------------------------------------------- answers


def check_account(account: Mapping[str, Any], repo_id: str) -> None:
    """Refuse a token that may only read, and a repository of somebody else."""
    name, (owner, short) = account["name"], repo_id.split("/")
    token = mapping(mapping(account, "auth"), "accessToken")
    if token.get("role") == "read":
        raise UsageError(
            f"--push_to_hub: the access token of {name} may only read. Make one with write access on {token_page()} "
            "and run hf auth login, set HF_TOKEN, or pass --token."
        )
    if account.get("type", "user") not in ("user", "org"):  # a token of a service: its rights are found at the push
        return
    owners = owners_of(account)
    if owner.lower() not in {each.lower() for each in owners}:
        others = f" {name} may write to {', '.join(owners)}." if len(owners) > 1 else ""
        raise UsageError(
            f"--hub_model_id {repo_id}: {name}, whose access token it is, may not write to {owner}.{others} Pass "
            f"--hub_model_id {name}/{short}."
        )
    if not reaches(token, repo_id):
        raise UsageError(
            f"--push_to_hub: the fine-grained access token of {name} may not write to repositories of {owner}. Give it "
            f"this right on {token_page()}, or pass another --token."
        )


def owners_of(account: Mapping[str, Any]) -> list[str]:
    """The user, and the organisations where the user may write."""
    known = [org for org in account.get("orgs") or () if isinstance(org, Mapping) and org.get("name")]
    return [str(account["name"]), *(str(org["name"]) for org in known if org.get("roleInOrg") not in READERS)]


def reaches(token: Mapping[str, Any], repo_id: str) -> bool:
    """Whether a fine-grained token may write to the repository, as far as it lists its rights."""
    rights = mapping(token, "fineGrained")
    if token.get("role") != "fineGrained" or "scoped" not in rights or writes(rights.get("global")):
        return True
    scopes = [
        scope for scope in rights["scoped"] or () if isinstance(scope, Mapping) and writes(scope.get("permissions"))
    ]
    names = [mapping(scope, "entity").get("name") for scope in scopes]
    places = (repo_id.split("/")[0].lower(), repo_id.lower())
    return any(name is None or str(name).lower() in places for name in names)


def writes(permissions: Any) -> bool:
    """Whether a right to write to repositories is among them, such as `repo.write`."""
    return any(str(each).startswith("repo") and str(each).endswith("write") for each in permissions or ())


def check_held(target: PushTarget, repo_id: str, held: Mapping[str, Any]) -> None:
    """Refuse a repository that everybody reads, and one that has another name now."""
    now = str(held.get("id") or repo_id)
    if now.lower() != repo_id.lower():
        raise UsageError(f"--push_to_hub: {repo_id} has the name {now} now. Pass --hub_model_id {now}.")
    if target.private and not held.get("private"):
        raise UsageError(
            f"--push_to_hub: {repo_id} exists and is public, and --hub_private_repo false was not given. Make it "
            "private on the Hub, pass --hub_private_repo false, or choose another --hub_model_id."
        )


def describe(target: PushTarget, repo_id: str, held: Mapping[str, Any] | None) -> Line:
    """What the push at the end will do."""
    branch = f", branch {target.revision}" if target.revision else ""
    is_private = target.private if held is None else bool(held.get("private"))
    what = "which is new" if held is None else "which exists: files of the same name are replaced"
    return Line("push", f"at the end, to {repo_id} ({'private' if is_private else 'PUBLIC'}{branch}), {what}")
