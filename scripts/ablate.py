"""What each ingredient of a recipe brings: every one alone, over seeds, on validation.

    python scripts/ablate.py --model_name_or_path FOLDER --train_file reviews.parquet [--ingredients pooling,ema]
        [--seeds 1,2,3] [--together] [flags of run_classification.py]

A run without any ingredient is the base. `--together` adds a run with all ingredients that lower the mean val_loss.
Test is not predicted. Each run adds a line to OUTPUT_DIR/ablation.jsonl when it ends, and its folder is deleted.
The same command continues after a kill: finished runs are not repeated, and the unfinished one continues from its last
checkpoint. The table is in OUTPUT_DIR/ablation.md. A difference is that of equal seeds; ± is the standard deviation.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import mean, stdev

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from classification.cli.command import run_command, start_command
from classification.cli.parser import checked_flags

INGREDIENTS = {
    "pooling": ("--pooling=mean",),
    "head_tail": ("--truncation_strategy=head_tail",),
    "layer_rates": ("--layerwise_lr_decay=0.9",),
    "r_drop": ("--r_drop=1",),
    "smoothing": ("--label_smoothing_factor=0.1",),
    "ema": ("--average=ema",),
    "last_3": ("--average=last=3", "--eval_strategy=steps", "--eval_steps=0.2"),  # two epochs have two evaluations
    "zero_head": ("--head_init=zero",),
}
BASE, TOGETHER = "base", "together"
LINES, TABLE = "ablation.jsonl", "ablation.md"
OF_A_RUN = ("--do_train", "--do_eval", "--do_predict=false", "--resume=auto")


@dataclass(frozen=True)
class Result:
    """One run: `loss` and `headline` of validation, None with a reason in `failed` if it has none.

    Args:
        flags: all flags of the run but its seed and its folder.
    """

    ingredient: str
    seed: int
    flags: list[str]
    loss: float | None
    metric: str
    headline: float | None
    seconds: float
    failed: str = ""


def parse() -> tuple[argparse.Namespace, list[str]]:
    """The flags of this script, and those of run_classification.py."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--ingredients", default=",".join(INGREDIENTS), help=f"of {', '.join(INGREDIENTS)}")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--together", action="store_true")
    parser.add_argument("--output_dir", type=Path, default=ROOT / "outputs" / "ablation")
    own, flags = parser.parse_known_args()
    own.ingredients = [name for name in dict.fromkeys(own.ingredients.split(",")) if name]
    if unknown := [name for name in own.ingredients if name not in INGREDIENTS]:
        parser.error(f"--ingredients {unknown[0]}: unknown. Choose from {', '.join(INGREDIENTS)}.")
    if not own.seeds.replace(",", "").isdigit():
        parser.error(f"--seeds {own.seeds}: must be whole numbers, such as 1,2,3.")
    own.seeds = list(dict.fromkeys(int(seed) for seed in own.seeds.split(",") if seed))
    return own, flags


def check(flags: list[str], ingredients: Sequence[str]) -> None:
    """Find a wrong flag before the first run.

    Raises:
        UsageError: as a run with one of the ingredients would.
    """
    for name in (BASE, *ingredients):
        checked_flags([*flags, *INGREDIENTS.get(name, ()), *OF_A_RUN, "--output_dir=OUT"])


if __name__ == "__main__":  # before the imports below, which take seconds
    given, others = parse()
    start_command(others, partial(check, ingredients=given.ingredients))

from classification.data.tasks import task_from_dict
from classification.errors import RunError, UsageError
from run_classification import main as fine_tune


def read_results(path: Path) -> list[Result]:
    """The finished runs. A last line that a kill has cut off is removed from the file."""
    content = path.read_bytes() if path.exists() else b""
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        os.truncate(path, len(whole))
    return [Result(**json.loads(line)) for line in whole.splitlines()]


def add_result(path: Path, result: Result) -> None:
    with path.open("a", encoding="utf-8") as handle:
        handle.write(json.dumps(asdict(result)) + "\n")
        handle.flush()
        os.fsync(handle.fileno())


def run_one(name: str, seed: int, flags: Sequence[str], folder: Path) -> Result:
    """One run; its folder holds what it needs to continue after a kill.

    A training that diverges has failed, and so has an ingredient that the model refuses.

    Raises:
        RunError: the disk or the memory, not the training, ended the run: it can continue.
        UsageError: of the base; or the folder has a run that cannot continue.
    """
    start, is_new = time.monotonic(), not folder.exists()
    try:
        metrics = fine_tune([
            *flags, *OF_A_RUN, f"--seed={seed}", f"--output_dir={folder}"
        ])  # fmt: skip
    except (RunError, UsageError) as error:
        if isinstance(error, UsageError):
            has_failed = is_new and name != BASE
        else:
            has_failed = error.__cause__ is None and not (folder / "all_results.json").exists()
        if not has_failed:
            raise
        print(f"failed: {error}", flush=True)
        return Result(name, seed, list(flags), None, "", None, time.monotonic() - start, failed=str(error))
    metric = task_from_dict(json.loads((folder / "run.json").read_text(encoding="utf-8"))["task"]).headline
    seconds = metrics.get("train_runtime", time.monotonic() - start)
    return Result(name, seed, list(flags), metrics["eval_loss"], metric, metrics[f"eval_{metric}"], seconds)


def run_missing(name: str, flags: list[str], seeds: Sequence[int], folder: Path) -> list[Result]:
    """The results of an ingredient; those that the file has are not computed again.

    Raises:
        UsageError: the file has results of other flags.
    """
    path, found = folder / LINES, []
    finished = {(result.ingredient, result.seed): result for result in read_results(path)}
    for seed in seeds:
        result, part = finished.get((name, seed)), folder / f"{name}-{seed}"
        if result is None:
            print(f"\n=== {name}, seed {seed}: {' '.join(flags)} ===", flush=True)
            result = run_one(name, seed, flags, part)
            add_result(path, result)
        elif result.flags != flags:
            raise UsageError(
                f"--output_dir {folder}: its {LINES} has {name} with other flags ({' '.join(result.flags)}). Choose "
                "another --output_dir."
            )
        shutil.rmtree(part, ignore_errors=True)  # a kill may have left it
        found.append(result)
    return found


def gains(base: Sequence[Result], other: Sequence[Result], what: str) -> list[float]:
    """Differences to the base for the seeds that both have."""
    before = {result.seed: getattr(result, what) for result in base if not result.failed}
    return [getattr(result, what) - before[result.seed] for result in other
            if not result.failed and result.seed in before]  # fmt: skip


def best_together(results: dict[str, list[Result]]) -> list[str]:
    """The flags of all ingredients that lower the mean val_loss; of two that set one flag, those of the better one."""
    losses = {name: gains(results[BASE], found, "loss") for name, found in results.items() if name != BASE}
    better = sorted((mean(values), name) for name, values in losses.items() if values and mean(values) < 0)
    chosen: dict[str, str] = {}
    for _, name in better:
        flags = {flag.partition("=")[0]: flag for flag in INGREDIENTS[name]}
        if not flags.keys() & chosen.keys():
            chosen |= flags
    return list(chosen.values())


def spread(values: Sequence[float], digits: int, *, signed: bool = False) -> str:
    """`0.312 ± 0.004`, or the mean alone of one value."""
    if not values:
        return "-"
    text = f"{mean(values):{'+' if signed else ''}.{digits}f}"
    return f"{text} ± {stdev(values):.{digits}f}" if len(values) > 1 else text


def table(results: dict[str, list[Result]]) -> str:
    """Markdown, one row per ingredient."""
    metric = next((result.metric for found in results.values() for result in found if not result.failed), "metric")
    lines = [
        f"| ingredient | flags | val_loss | difference | {metric} | difference | time |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    base_seconds = mean(result.seconds for result in results[BASE])
    for name, found in results.items():
        good = [result for result in found if not result.failed]
        flags = " ".join(flag for flag in found[0].flags if flag not in results[BASE][0].flags)
        cells = [
            name + (f" ({len(found) - len(good)} of {len(found)} failed)" if len(good) < len(found) else ""),
            f"`{flags}`" if flags else "",
            spread([result.loss for result in good if result.loss is not None], 4),
            "" if name == BASE else spread(gains(results[BASE], found, "loss"), 4, signed=True),
            spread([result.headline for result in good if result.headline is not None], 4),
            "" if name == BASE else spread(gains(results[BASE], found, "headline"), 4, signed=True),
            f"{mean(result.seconds for result in found) / base_seconds:.2f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    own, flags = parse()
    own.output_dir.mkdir(parents=True, exist_ok=True)
    results: dict[str, list[Result]] = {}
    for name in [BASE, *own.ingredients]:
        results[name] = run_missing(name, [*flags, *INGREDIENTS.get(name, ())], own.seeds, own.output_dir)
    if own.together and (together := best_together(results)):
        results[TOGETHER] = run_missing(TOGETHER, [*flags, *together], own.seeds, own.output_dir)
    text = table(results)
    (own.output_dir / TABLE).write_text(text + "\n", encoding="utf-8")
    print(f"\n{text}\n\nThe runs are in {own.output_dir / LINES}, this table in {own.output_dir / TABLE}.")


if __name__ == "__main__":
    run_command(main)
