"""What the command line asks of a teacher."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TeacherChoice:
    """A teacher, and how much of it is learned.

    Args:
        name: folder or Hub name of a trained classifier.
        temperature: divides the logits of teacher and model.
        weight: share of the teacher in the loss of a labelled row.
        unlabelled_file: texts without labels, of which only the teacher's probabilities are learned.
    """

    name: str
    temperature: float = 2.0
    weight: float = 0.5
    unlabelled_file: str | None = None

    @property
    def paths(self) -> list[str]:
        """Every local file and folder that is read."""
        return [path for path in (self.name, self.unlabelled_file) if path and Path(path).exists()]
