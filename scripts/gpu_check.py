"""Check this recipe on a GPU without any network, and write one Markdown report.

    bash scripts/gpu_check.sh FOLDER [--device cuda|cpu] [--out DIR] [--minutes 8] [--parts NAME ...]

FOLDER holds what the machine lacks:

    wheels/*.whl                 packages to install, built for the machine's Python; may be absent
    encoder/                     config.json, model.safetensors and the tokenizer of a pretrained encoder
    data/train.parquet           labelled texts, columns text and label; may be absent
    data/test.parquet

The wheels are installed into a temporary folder. Each part has a time limit, its share of the time that is left, and
runs whatever happened to the parts before it. The report is OUT/gpu_check.md; OUT/gpu_check.log holds the whole output.
The exit code is 0 if every part passed. `--device cpu` runs all parts on the CPU with tiny amounts of data.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from gpu_check_report import FAILED, NOT_GIVEN, PASSED, ROOT, TIMED_OUT, Outcome, render

SECONDS_TO_STOP = 5
REPORT_SECONDS = 5  # of the total, kept for starting and for writing the report
# What a model that learns reaches. Chance is 0.5; the quickstart's validation accuracy is 0.7 to 0.8 in fp32.
LEARNED = {"quickstart": 0.6, "imdb": 0.75}
ON_CPU = {
    "use_cpu": True, "max_seq_length": 32, "num_train_epochs": 1, "max_train_samples": 48, "max_eval_samples": 24,
    "max_predict_samples": 24,
}  # fmt: skip


class PartEnded(Exception):
    """A part that did not pass: the verdict and the reason."""

    def __init__(self, verdict: str, reason: str = ""):
        super().__init__(verdict, reason)
        self.verdict, self.reason = verdict, reason


class Check:
    """The folder, the device and the processes of one check.

    Args:
        scratch: a temporary folder, for packages, caches and the output of runs.
    """

    def __init__(self, options: argparse.Namespace, scratch: Path):
        self.folder, self.device, self.out = options.folder.resolve(), options.device, options.out.resolve()
        self.scratch, self.log = scratch, self.out / "gpu_check.log"
        self.deadline, self.output_start = 0.0, 0
        self.machine: dict[str, str] = {}
        self.packages = scratch / "packages"
        paths = [str(self.packages), str(ROOT / "scripts"), os.environ.get("PYTHONPATH")]
        gpu = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0] or "0"  # one process uses one GPU
        self.environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(path for path in paths if path),
            "PYTHONUNBUFFERED": "1",
            "CUDA_VISIBLE_DEVICES": gpu if self.device == "cuda" else "",
            "TEST_DEVICE": self.device,
            "HF_HUB_OFFLINE": "1",
            "HF_HOME": str(scratch / "huggingface"),
        }

    @property
    def seconds_left(self) -> float:
        """Of the part that runs."""
        return max(1.0, self.deadline - time.monotonic())

    def start_part(self, limit: float) -> None:
        self.deadline = time.monotonic() + limit
        self.output_start = self.log.stat().st_size if self.log.exists() else 0

    def output(self) -> str:
        """What the part has printed so far."""
        with self.log.open("rb") as handle:
            handle.seek(self.output_start)
            return handle.read().decode("utf-8", errors="replace")

    def python(self, *words: object) -> str:
        """Run Python with these words until the part's time is over.

        Returns:
            What this process and the part's earlier processes printed.

        Raises:
            PartEnded: the process failed or took too long.
        """
        command = [sys.executable, *map(str, words)]
        with self.log.open("ab") as log:
            log.write(f"\n$ {shlex.join(command)}\n".encode())
            log.flush()
            process = subprocess.Popen(command, cwd=self.scratch, env=self.environment, stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=subprocess.STDOUT, process_group=0)  # fmt: skip
            try:
                code = process.wait(self.seconds_left)
            except subprocess.TimeoutExpired:
                stop(process)
                raise PartEnded(TIMED_OUT, "stopped at the limit") from None
        if code:
            raise PartEnded(FAILED, f"exit code {code}")
        return self.output()

    def train(self, name: str, preset: str, *launcher: str, **flags: object) -> Path:
        """Fine-tune the encoder with a preset; returns the output folder. On the CPU with few rows."""
        folder = self.scratch / name
        standard = {"model_name_or_path": self.folder / "encoder", "output_dir": folder, "disable_tqdm": True}
        flags = standard | (ON_CPU if self.device == "cpu" else {}) | flags
        self.python(*launcher, ROOT / "run_classification.py", ROOT / "presets" / f"{preset}.yaml",
                    *(f"--{flag}={value}" for flag, value in flags.items()))  # fmt: skip
        return folder

    def demand_learning(self, folder: Path, preset: str, figure: str) -> None:
        """Fail where the accuracy is that of a model that has not learned. A check on the CPU learns nothing."""
        reached = read_json(folder / "all_results.json")[figure]
        if self.device != "cpu" and reached < LEARNED[preset]:
            raise PartEnded(FAILED, f"{figure} {reached:.3f}, expected at least {LEARNED[preset]}")


def stop(process: subprocess.Popen) -> None:
    """End a process and the processes that it started: politely first, so that a launcher ends its workers."""
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, signal_number)
            process.wait(SECONDS_TO_STOP)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            pass


def read_json(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def run_figures(folder: Path) -> list[str]:
    """Accuracy and speed of a training run, from its files."""
    results, run = read_json(folder / "all_results.json"), read_json(folder / "run.json")
    speed = run["throughput"]
    training = speed["training"]
    return [
        f"val_loss {results['eval_loss']:.4f}, validation accuracy {results['eval_accuracy']:.4f}, "
        f"test accuracy {results['test_accuracy']:.4f}",
        f"training {training['rows_per_second']:,.0f} rows/s, {training['tokens_per_second']:,.0f} tokens/s, "
        f"{training['padding_share']:.0%} padding, {training.get('mfu', 0):.0%} of the fastest matrix product, "
        f"peak memory {speed['peak_memory_bytes'] / 1e9:.1f} GB",
    ]


# ---------------------------------------------------------------------------------------------------------- the parts


def environment(check: Check) -> list[str]:
    """The wheels can be installed and no pinned package is missing."""
    wheels = sorted((check.folder / "wheels").glob("*.whl"))
    failure = None
    try:
        if wheels:
            check.python("-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-compile", "--no-cache-dir",
                         "--disable-pip-version-check", "--target", check.packages, *wheels)  # fmt: skip
    except PartEnded as ended:
        failure = ended  # the report describes the machine all the same
    check.python("-c", "import gpu_check_report; gpu_check_report.print_machine()")
    check.machine |= json.loads(next(line for line in check.output().splitlines() if line.startswith("{")))
    if failure:
        raise failure
    missing = [name for name, value in check.machine.items() if value.startswith("missing")]
    if missing:
        raise PartEnded(FAILED, f"not installed: {', '.join(missing)}")
    if check.device == "cuda" and check.machine["device"] == "cpu":
        raise PartEnded(FAILED, "torch sees no GPU")
    return [f"{len(wheels)} wheels installed"]


def device_tests(check: Check) -> list[str]:
    """The tests that carry the marker `device`. A test file that this machine cannot import does not stop them."""
    options = ["-v", "-rs", "-p", "no:cacheprovider", "--continue-on-collection-errors"]
    files = [path for path in sorted((ROOT / "tests").rglob("test_*.py")) if "mark.device" in path.read_text("utf-8")]
    output = check.python("-m", "pytest", *options, "-m", "device", *files)
    if check.device == "cuda" and "there is no GPU" in output:
        raise PartEnded(FAILED, "the tests did not see the GPU")
    return [output.strip().splitlines()[-1].strip("= ")]


def quickstart(check: Check, precision: str) -> list[str]:
    """The quickstart preset learns in this number format."""
    try:
        folder = check.train(f"quickstart-{precision}", "quickstart", precision=precision)
    except PartEnded:
        if f"error: --precision {precision}:" in check.output():
            raise PartEnded(f"not on {check.device}", "the recipe refuses this number format here") from None
        raise
    check.demand_learning(folder, "quickstart", "eval_accuracy")
    return run_figures(folder)


def distributed(check: Check) -> list[str]:
    """A run in one process of a process group gives the predictions of a plain run, byte for byte."""
    flags = {"precision": "fp32", "full_determinism": True}
    plain = check.train("plain", "quickstart", **flags)
    launcher = ("-m", "torch.distributed.run", "--standalone", "--local_addr=127.0.0.1", "--nproc_per_node=1")
    launched = check.train("distributed", "quickstart", *launcher, **flags)
    first, second = ((run / "predictions.csv").read_text(encoding="utf-8").splitlines() for run in (plain, launched))
    equal = sum(one == other for one, other in zip(first, second, strict=True))
    if equal != len(first):
        raise PartEnded(FAILED, f"{len(first) - equal} of {len(first)} lines of predictions.csv differ")
    return [f"all {len(first) - 1} predictions are equal"]


def benchmark(check: Check) -> list[str]:
    """Training and prediction beside other ways, on the same rows."""
    work = ["--bert_base", "--batch_size=32", "--texts=256", "--steps=32"]
    if check.device == "cpu":
        work = [f"--data={ROOT / 'data' / 'reviews' / 'train.csv'}", "--length=32", "--repeats=1"]
    output = check.python(
        ROOT / "scripts" / "benchmark.py", f"--model_name_or_path={check.folder / 'encoder'}",
        f"--device={check.device}", *work, f"--minutes={0.75 * check.seconds_left / 60:.2f}",
        f"--output={check.out / 'benchmark.json'}",
    )  # fmt: skip
    lines = output.splitlines()
    return lines[next(row for row, line in enumerate(lines) if "rows/s" in line) :]


def imdb(check: Check) -> list[str]:
    """One epoch over the texts of FOLDER/data."""
    files = {f"{split}_file": check.folder / "data" / f"{split}.parquet" for split in ("train", "test")}
    if not all(path.is_file() for path in files.values()):
        raise PartEnded(NOT_GIVEN, "FOLDER/data has no train.parquet and test.parquet")
    flags = {"num_train_epochs": 1, "learning_rate": 1e-4, "per_device_eval_batch_size": 128}
    folder = check.train("imdb", "imdb", **files, **flags)
    check.demand_learning(folder, "imdb", "test_accuracy")
    return run_figures(folder)


PARTS: dict[str, tuple[float, Callable[[Check], list[str]]]] = {  # each with its share of the time
    "environment": (20, environment),
    "tests": (90, device_tests),
    "bf16": (45, lambda check: quickstart(check, "bf16")),
    "fp16": (45, lambda check: quickstart(check, "fp16")),
    "distributed": (80, distributed),
    "benchmark": (150, benchmark),
    "imdb": (50, imdb),
}


def run_part(check: Check, name: str, limit: float) -> Outcome:
    """Run one part; whatever goes wrong becomes its outcome."""
    check.start_part(limit)
    start = time.monotonic()
    verdict, reason, figures = PASSED, "", []
    try:
        figures = PARTS[name][1](check)
    except PartEnded as ended:
        verdict, reason = ended.verdict, ended.reason
    except Exception as error:  # such as a results file without the expected figure
        verdict, reason = FAILED, f"{type(error).__name__}: {error}"
        with check.log.open("a", encoding="utf-8") as log:
            log.write(traceback.format_exc())
    return Outcome(name, verdict, time.monotonic() - start, limit, reason, figures, check.output())


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gpu_check.sh", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="wheels/, encoder/ and data/ as scripts/gpu_check.py describes them")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--out", type=Path, default=ROOT / "outputs" / "gpu_check",
                        help="folder of the report and the log")  # fmt: skip
    parser.add_argument("--minutes", type=float, default=8.0, help="time for all parts")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=[*PARTS], help="default: all")
    return parser


def main() -> int:
    parser = make_parser()
    options = parser.parse_args()
    if not options.folder.is_dir():
        parser.error(f"{options.folder} is not a folder. Make it as scripts/gpu_check.py describes.")
    options.out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    end = started + 60 * options.minutes - REPORT_SECONDS
    names = [name for name in PARTS if name in options.parts or name == "environment"]
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="gpu_check-") as scratch:
        check = Check(options, Path(scratch))
        check.log.write_text("", encoding="utf-8")
        for place, name in enumerate(names):
            shares = sum(PARTS[later][0] for later in names[place:])
            limit = max(1.0, (end - time.monotonic()) * PARTS[name][0] / shares)
            outcomes.append(run_part(check, name, limit))
            last = outcomes[-1]
            print(f"{name:12s} {last.verdict:10s} {last.seconds:4.0f} s  {last.reason}".rstrip(), flush=True)
            command = shlex.join(["scripts/gpu_check.sh", *sys.argv[1:]])
            report = render(check.machine, outcomes, command=command, seconds=time.monotonic() - started)
            (check.out / "gpu_check.md").write_text(report, encoding="utf-8")  # after each part: a kill leaves the rest
    print(f"Report: {check.out / 'gpu_check.md'}")
    return 0 if all(outcome.is_good for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
