"""What the run cost: seconds per phase, speed, memory, and the machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from classification.report.json_fields import mapping_in
from classification.report.number_format import count, duration, is_number, number, percent, size
from classification.report.page.sections import Section
from classification.report.run_files import RunFiles

PHASES = {
    "prepare": "Reading and checking the data, loading the model",
    "train": "Training",
    "eval": "Scoring validation",
    "predict": "Predicting test",
    "learning_curve": "Training on parts of train",
    "neighbours": "Finding the nearest training rows",
}


def cost_section(run: RunFiles) -> Section | None:
    seconds = {name: value for name, value in mapping_in(run.record, "seconds").items() if is_number(value)}
    throughput = mapping_in(run.record, "throughput")
    if not seconds and not throughput:
        return None
    values = {
        "total": seconds.get("total"),
        "phases": phases_of(seconds),
        "speeds": [speed for name in ("training", "evaluation") if (speed := speed_of(name, throughput))],
        "facts": facts_of(run, throughput),
        "advice": str(throughput.get("advice") or ""),
    }
    return Section("cost", "What it cost", "cost.html.j2", values)


def phases_of(seconds: Mapping[str, float]) -> list[tuple[str, str, float]]:
    """Name, time and share of all of each phase; the time outside all phases comes last."""
    total = seconds.get("total") or sum(seconds.values())
    named = {name: value for name, value in seconds.items() if name != "total"}
    rest = total - sum(named.values())
    rows = [(PHASES.get(name, name), value) for name, value in named.items()]
    rows += [("Everything else, such as saving", rest)] if rest > 0.005 * total else []
    return [(title, duration(value), min(1.0, value / total) if total else 0.0) for title, value in rows]


def speed_of(name: str, throughput: Mapping[str, Any]) -> tuple[str, list[str]] | None:
    figures = mapping_in(throughput, name)
    if not figures:
        return None
    cells = [
        count(figures.get("rows")), speed(figures.get("rows_per_second")), speed(figures.get("tokens_per_second")),
        percent(figures.get("padding_share"), 0), percent(figures.get("waiting_share"), 0),
    ]  # fmt: skip
    return name.capitalize(), cells


def speed(value: float | None) -> str:
    """Something per second: whole numbers from 10 on."""
    return count(value) if is_number(value) and (value or 0) >= 10 else number(value)


def facts_of(run: RunFiles, throughput: Mapping[str, Any]) -> list[tuple[str, str]]:
    machine, decided = mapping_in(run.record, "machine"), mapping_in(run.record, "decisions")
    gpus = [str(gpu.get("name", gpu) if isinstance(gpu, Mapping) else gpu) for gpu in machine.get("gpus") or ()]
    parameters = str(mapping_in(run.record, "fingerprint").get("parameters") or "").split(" in ")[0]
    trainable = str(mapping_in(run.record, "fingerprint").get("trainable parameters") or "").split(" in ")[0]
    memory = throughput.get("peak_memory_bytes")
    facts = [
        ("Device", ", ".join(gpus) if gpus and decided.get("device") != "cpu" else machine.get("processor")),
        ("Kind of device", decided.get("device")),
        ("Processes", count(machine["processes"]) if is_number(machine.get("processes")) else None),
        ("CPU threads", count(machine["threads"]) if is_number(machine.get("threads")) else None),
        ("Number format", decided.get("precision")),
        ("Peak memory", size(memory) if is_number(memory) else None),
        ("Parameters", parameters),
        ("Trained parameters", trainable if trainable != parameters else None),
    ]
    return [(name, str(value)) for name, value in facts if value]
