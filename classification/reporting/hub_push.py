"""Pushing the model that is kept to the Hub: its own files and nothing else of the folder, once, after the last result.

The library pushes the whole output folder whenever it saves, with the predictions and every other file that lies in it.
With `--push_report`, the page without texts goes along.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import huggingface_hub
import transformers
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import HfHubHTTPError
from transformers.dynamic_module_utils import get_relative_import_files

from classification.data.hub_access import SHARED_REPORT, PushTarget
from classification.data.statistics_format import FILE as STATISTICS
from classification.errors import UsageError, first_line, join_first
from classification.messages.log import Line, log_lines
from classification.messages.redaction import hide_secrets

CONFLICT, REFUSED = 409, (401, 402, 403)  # HTTP: the repository exists; the token may not create one
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
VOCABULARIES = (
    "vocab.txt", "vocab.json", "merges.txt", "tokenizer.model", "spiece.model", "spm.model", "sentencepiece.bpe.model",
)  # fmt: skip
IN_TOKENIZER_JSON = ("vocab_file", "merges_file", "tokenizer_file")
PATTERNS = (  # of the files of any model, for a command that is printed before the training
    "model*.safetensors*", "adapter_*", "config.json", *TOKENIZER, "vocab.*", "merges.txt", "pooled_head.py",
    STATISTICS,
)  # fmt: skip
MESSAGE = "Fine-tuned text classifier"
REPORT = "report.html"  # on the Hub


class PublicRepositoryError(Exception):
    """Everybody can read the repository, and the user has not asked for that."""


def push_model(target: PushTarget | None, folder: Path) -> None:
    """List the files of the model in `folder`, then push them in one commit; nothing else is read, nothing is deleted.

    Raises:
        UsageError: the push failed; the message has the command that repeats it.
    """
    if target is None:
        return
    files, repo_id = model_files(folder), target.repo_id
    if target.with_report and (folder / SHARED_REPORT).is_file():  # else a warning has said that it cannot be drawn
        files.append(folder / SHARED_REPORT)
    log_lines(push_summary(target, files))
    try:
        lines = upload(huggingface_hub.HfApi(token=target.token or True), target, files)
    except Exception as error:  # whatever the network and three libraries can raise: the model is safe on the disk
        secrets = [target.token] if target.token else []
        reason = hide_secrets(first_line(error), secrets)
        if isinstance(error, PublicRepositoryError):  # the command must not publish the model there
            target = replace(target, repo_id="OWNER/NAME")
        raise UsageError(
            f"--push_to_hub: the model is saved in {folder}, but it was not pushed to {repo_id}: {reason} To push "
            f"it later: {push_command(target, folder, files)}"
        ) from None
    log_lines(lines)


# -------------------------------------------------------------------------------------------------------------- files


def model_files(folder: Path) -> list[Path]:
    """The files that loading the model in `folder` needs, its card and statistics; nothing else that lies there.

    Raises:
        UsageError: the folder has no weights or no config.
    """
    names = [*weight_names(folder), "config.json", *tokenizer_names(folder), *code_names(folder)]
    if has_card(folder):
        names.append("README.md")
    if (folder / STATISTICS).is_file():
        names.append(STATISTICS)
    missing = [name for name in names if not (folder / name).is_file()]
    if missing or not weight_names(folder):
        raise UsageError(
            f"--push_to_hub: {folder} has no {join_first(missing or ['model.safetensors'])}: it holds no whole model. "
            "Train again into an empty --output_dir."
        )
    return [folder / name for name in dict.fromkeys(names)]


def weight_names(folder: Path) -> list[str]:
    """The weights: one file, an index and its parts, or an adapter."""
    if (folder / "model.safetensors").is_file():
        return ["model.safetensors"]
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        return [index.name, *sorted({Path(part).name for part in read_json(index)["weight_map"].values()})]
    adapter = ["adapter_model.safetensors", "adapter_config.json"]
    return adapter if (folder / adapter[0]).is_file() else []


def tokenizer_names(folder: Path) -> Iterator[str]:
    """The tokenizer's files. A vocabulary beside tokenizer.json is not read, so it may be another file of that name."""
    has_all_in_one = (folder / TOKENIZER[0]).is_file()
    settings = read_json(folder / TOKENIZER[1]) if (folder / TOKENIZER[1]).is_file() else {}
    kind = getattr(transformers, str(settings.get("tokenizer_class")), None)
    vocabulary = getattr(kind, "vocab_files_names", None)
    if vocabulary is None:  # the tokenizer's own code
        own = [] if has_all_in_one else list(VOCABULARIES)
    else:
        own = [name for role, name in vocabulary.items() if not (has_all_in_one and role in IN_TOKENIZER_JSON)]
    yield from (name for name in (*TOKENIZER, *own) if (folder / name).is_file())


def code_names(folder: Path) -> Iterator[str]:
    """The Python files that the config and the tokenizer name as their own, and those that they import."""
    for name in ("config.json", "tokenizer_config.json"):
        content = read_json(folder / name) if (folder / name).is_file() else {}
        for classes in content.get("auto_map", {}).values():
            for code in classes if isinstance(classes, list) else [classes]:
                if code and "--" not in code:  # `owner/name--module.Class` stays in its own repository
                    file = folder / f"{Path(code).name.split('.')[0]}.py"
                    yield file.name
                    if file.is_file():
                        yield from (Path(part).name for part in get_relative_import_files(file))


def has_card(folder: Path) -> bool:
    """Whether README.md is a model card: one begins with metadata, the notes of a working directory do not."""
    card = folder / "README.md"
    return card.is_file() and card.read_text(encoding="utf-8", errors="replace").lstrip("\ufeff").startswith("---")


def read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


# ------------------------------------------------------------------------------------------------------------- upload


def upload(api: HfApi, target: PushTarget, files: list[Path]) -> list[Line]:
    """Create the repository if it is new, and add the files in one commit."""
    url, is_new = create_repository(api, target)
    repo_id = str(getattr(url, "repo_id", target.repo_id))
    lines = [] if is_new else check_repository(api, repo_id, target, files)
    if target.revision and not target.revision.startswith("refs/"):
        api.create_branch(repo_id=repo_id, branch=target.revision, exist_ok=True, token=target.token)
    operations = [CommitOperationAdd(path_in_repo=name_on_hub(file), path_or_fileobj=str(file)) for file in files]
    api.create_commit(
        repo_id=repo_id, operations=operations, commit_message=MESSAGE, revision=target.revision, token=target.token
    )
    return [*lines, Line("push", f"done: {url or repo_id}")]


def create_repository(api: HfApi, target: PushTarget) -> tuple[Any, bool]:
    """The address of the repository, and whether it is new."""
    wanted: dict[str, Any] = {"repo_id": target.repo_id, "private": target.private, "token": target.token}
    try:
        return api.create_repo(**wanted, exist_ok=False), True
    except HfHubHTTPError as error:
        code = error.response.status_code
        if code != CONFLICT and code not in REFUSED:
            raise
        if code == CONFLICT and "/" in target.repo_id:
            return f"{api.endpoint}/{target.repo_id}", False
    return api.create_repo(**wanted, exist_ok=True), False


def check_repository(api: HfApi, repo_id: str, target: PushTarget, files: list[Path]) -> list[Line]:
    """What a repository that was there before holds; its other files stay.

    Raises:
        PublicRepositoryError: everybody can read it, and `--hub_private_repo false` was not given.
    """
    info = api.model_info(repo_id=repo_id, token=target.token)
    if target.private and not info.private:
        raise PublicRepositoryError(
            f"{repo_id} is public, and --hub_private_repo false was not given. Make it private on the Hub, or choose "
            "another repository."
        )
    others = {entry.rfilename for entry in info.siblings or ()} - set(map(name_on_hub, files)) - {".gitattributes"}
    stay = f"; its other files stay: {join_first(sorted(others), 9)}" if others else ""
    return [Line("push", f"the repository exists{stay}")]


# ----------------------------------------------------------------------------------------------------------- messages


def push_summary(target: PushTarget, files: list[Path]) -> list[Line]:
    """What is sent and to whom, a line per file."""
    access = "private" if target.private else "PUBLIC"
    branch = f", branch {target.revision}" if target.revision else ""
    sizes = [file.stat().st_size for file in files]
    first = f"{len(files)} files, {human_size(sum(sizes))}, to {target.repo_id} ({access}{branch})"
    return [
        Line("push", first),
        *(
            Line("", f"  {name_on_hub(file):<30} {human_size(size):>9}")
            for file, size in zip(files, sizes, strict=True)
        ),
    ]


def name_on_hub(file: Path) -> str:
    """The page without texts has the name there that the page with texts has here."""
    return REPORT if file.name == SHARED_REPORT else file.name


def human_size(size: int) -> str:
    """Bytes as people read them.

    >>> human_size(1_500_000)
    '1.5 MB'
    """
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"


def push_command(target: PushTarget, folder: Path, files: list[Path]) -> str:
    """The command line that pushes the same files to the same place."""
    model = [file.name for file in files if file.name != SHARED_REPORT]
    command = upload_command(target, str(folder), ".", model)
    if len(model) == len(files):
        return command
    return f"{command} && {upload_command(target, str(folder / SHARED_REPORT), REPORT)}"


def later_command(target: PushTarget, folder: Path) -> str:
    """The command line that pushes the model of a training that has not begun."""
    is_free = has_card(folder) or not (folder / "README.md").exists()  # else the card is not written
    return upload_command(target, str(folder), ".", [*PATTERNS, *(["README.md"] if is_free else [])])


def upload_command(target: PushTarget, source: str, place: str, names: Iterable[str] = ()) -> str:
    """A command line of huggingface_hub that uploads a file, or the files of a folder that have these names."""
    words = ["hf", "upload", target.repo_id, source, place]
    for name in names:
        words += ["--include", name]
    words += ["--revision", target.revision] if target.revision else []
    return shlex.join([*words, "--private" if target.private else "--no-private"])
