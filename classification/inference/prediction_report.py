"""What is reported when all rows are predicted: scores, input unlike training, rows worth labelling, and the speed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from classification.data.text_sums import TextSums, total
from classification.inference.input_drift import FACT, DriftWatch
from classification.inference.jobs import Job
from classification.inference.joining import Parts
from classification.inference.scoring import report_scores
from classification.inference.uncertain_rows import write_uncertain
from classification.messages.log import Line, log_lines
from classification.system.files import is_device

UNCERTAIN_FILE = "uncertain_file"  # name in `Job.extras`


@dataclass
class PredictionReport:
    """Called with all parts of an output before they are removed; reports on all rows.

    Args:
        out: a path, or `-` for standard output.
        metrics: of the rows that have a label; known after the call.
    """

    out: str
    watch: DriftWatch
    metrics: dict[str, Any] = field(default_factory=dict)

    def __call__(self, parts: Parts) -> None:
        self.metrics = report_scores(parts, None if self.out == "-" or is_device(Path(self.out)) else Path(self.out))
        log_lines(self.watch.at_end(total(map(TextSums.from_dict, parts.facts(FACT)))))
        if path := uncertain_path(parts.job, self.out):
            line = write_uncertain(path, (part.read_bytes() for part in parts.uncertain))
            log_lines([line] if line else [])

    def results(self, parts: Parts | None, rows: int, seconds: float) -> dict[str, Any]:
        """`output_file`, `rows`, `seconds` and the metrics; logs a line where the output is complete.

        Args:
            parts: None for a shard. rows: that this process has predicted.
        """
        if parts is None:
            return {"output_file": self.out, "rows": rows, "seconds": seconds}
        place = "standard output" if self.out == "-" else self.out
        left_out = f" ({parts.rows - parts.written} bad ones left out)" if parts.written < parts.rows else ""
        rate = rows / max(seconds, 1e-9)
        speed = f", {rate:{',.0f' if rate >= 100 else '.3g'}} rows/s" if rows else ""
        log_lines([Line("output", f"{place}: {parts.written:,} rows{left_out} in {seconds:.1f} s{speed}")])
        return {"output_file": self.out, "rows": parts.rows, "seconds": seconds, **self.metrics}


def uncertain_path(job: Job, out: str) -> Path | None:
    """Where the rows worth labelling go, None where they are not wanted."""
    name = job.extras.get(UNCERTAIN_FILE)
    return None if name is None else Path(name or f"{out}.uncertain.csv")
