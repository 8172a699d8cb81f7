"""Whether the results of a finished run are still in its folder, as its run.json has recorded them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from classification.cli.options import Options
from classification.errors import UsageError, join_first
from classification.messages.log import Line, log_lines, warning
from classification.reporting.data_digests import digest_outputs
from classification.reporting.differences import mapping
from classification.reporting.run_result import Prepared


def makes_again(options: Options, prepared: Prepared, record: Mapping[str, object]) -> bool:
    """Whether files of a finished run were removed, so that its last checkpoint makes them again; trains nothing.

    A file that was changed may be the user's work: it stays, and a warning names it.

    Raises:
        UsageError: the model is gone, and no checkpoint can make it again.
    """
    folder = prepared.folder
    missing, changed = compare_results(record, folder.path)
    if changed:
        names = f"{join_first(changed)} in {folder.path}"
        log_lines([warning(f"resume       {names} differs from what the run has saved. Delete it to make it again.")])
    if not missing:
        return False
    if options.trains and folder.checkpoint is None:
        raise UsageError(
            f"--resume {options.run.resume}: the run in {folder.path} is finished, but {join_first(missing)} is "
            "missing, and no checkpoint can make it again. Pass another --output_dir to train again."
        )
    log_lines([Line("resume", f"the run is finished, but {join_first(missing)} is missing: made again, not trained")])
    return True


def compare_results(record: Mapping[str, object], folder: Path) -> tuple[list[str], list[str]]:
    """The names of the weights, their config and the predictions that are missing, and of those that have changed."""
    weights, found = mapping(record, "weights"), digest_outputs(folder)
    then = {**weights, **mapping(record, "predictions")}
    now = {name: digest for digests in found.values() for name, digest in digests.items()}
    missing = [name for name in (*then, *(["config.json"] if weights else [])) if not (folder / name).is_file()]
    return missing, [name for name in then if name not in missing and now.get(name) != then[name]]
