"""Two trainings at once on the same cores: how much slower is each than alone, with each setting of the threads?

    python scripts/benchmark_two_runs.py [--settings default,GOMP_SPINCOUNT=1000] [--rounds 3] [--seconds 5]

Every process takes training steps of a BERT of MiniLM's size in fp32, with torch's default number of threads. The
settings take turns within a round, alone and in pairs, and the table shows medians over the rounds. "Times" is the
speed of a lone process without any setting, divided by that of the slower process of a pair.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from classification.cli.threads import CHOSEN_BY_USER, SPINS

SHAPES = ("16x12", "16x128")  # rows x tokens
SETTINGS = ("default", f"GOMP_SPINCOUNT={SPINS}", "GOMP_SPINCOUNT=1000", "OMP_WAIT_POLICY=PASSIVE")
DEFAULT = "default"


class Process:
    """A training process that waits for its turn. OpenMP reads its settings once, so each setting has processes of its
    own."""

    def __init__(self, setting: str):
        environment = {name: value for name, value in os.environ.items() if name not in CHOSEN_BY_USER}
        if setting != DEFAULT:
            name, _, value = setting.partition("=")
            environment[name] = value
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--worker"], env=environment, text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )  # fmt: skip

    def start(self, shape: str, seconds: float) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{shape} {seconds}\n")
        self.process.stdin.flush()

    def speed(self) -> float:
        """Rows per second of the turn that was started."""
        assert self.process.stdout
        return float(self.process.stdout.readline())

    def end(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def work() -> None:
    """A worker: for each line `ROWSxTOKENS SECONDS`, train for that long and print rows per second."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536)
    model = BertForSequenceClassification(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6)
    for line in sys.stdin:
        shape, seconds = line.split()
        rows, tokens = map(int, shape.split("x"))
        batch = {"input_ids": torch.randint(config.vocab_size, (rows, tokens)), "labels": torch.randint(2, (rows,))}
        start, steps = time.perf_counter(), 0
        while time.perf_counter() - start < float(seconds):
            model(**batch).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            steps += 1
        print(steps * rows / (time.perf_counter() - start), flush=True)


def measure(processes: dict[str, list[Process]], shape: str, rounds: int, seconds: float) -> dict[str, dict]:
    """Setting -> rows per second alone and of each process of a pair, medians over the rounds."""
    alone: dict[str, list[float]] = {setting: [] for setting in processes}
    pairs: dict[str, list[list[float]]] = {setting: [] for setting in processes}
    for pair in processes.values():  # a turn that does not count: the first steps are slower
        turn(pair, shape, 1.0)
    for _ in range(rounds):
        for setting, pair in processes.items():
            alone[setting] += turn(pair[:1], shape, seconds)
            pairs[setting].append(sorted(turn(pair, shape, seconds)))
    return {
        setting: {
            "alone": statistics.median(alone[setting]),
            "pair": [statistics.median(speeds) for speeds in zip(*pairs[setting], strict=True)],
        }
        for setting in processes
    }


def turn(pair: list[Process], shape: str, seconds: float) -> list[float]:
    for process in pair:
        process.start(shape, seconds)
    return [process.speed() for process in pair]


def table(shape: str, figures: dict[str, dict]) -> list[str]:
    lone = figures.get(DEFAULT, next(iter(figures.values())))["alone"]
    rows = [
        f"| {setting} | {speeds['alone']:.0f} | {100 * (speeds['alone'] / lone - 1):+.0f}% "
        f"| {' and '.join(f'{speed:.0f}' for speed in speeds['pair'])} | {lone / speeds['pair'][0]:.1f} |"
        for setting, speeds in figures.items()
    ]
    return ["", f"| {shape}, rows/s | alone | to default | two at once | times |", "|---|--:|--:|--:|--:|", *rows]


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--settings", default=",".join(SETTINGS), help="default, or NAME=VALUE; comma separated")
    parser.add_argument("--shapes", default=",".join(SHAPES), help="rows x tokens; comma separated")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of one turn")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    return parser


def main() -> None:
    chosen = make_parser().parse_args()
    if chosen.worker:
        work()
        return
    processes = {setting: [Process(setting), Process(setting)] for setting in chosen.settings.split(",")}
    for shape in chosen.shapes.split(","):
        print("\n".join(table(shape, measure(processes, shape, chosen.rounds, chosen.seconds))), flush=True)
    for pair in processes.values():
        for process in pair:
            process.end()


if __name__ == "__main__":
    main()
