"""Logits of a teacher on disk: one file per part of the texts, which is complete or not there."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from datasets import Dataset
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from classification.data.fingerprints import fingerprint
from classification.system.files import replacing_bytes

# N rows of a part, C outputs of the teacher.

PART_ROWS = 5000
LOGITS, SUM = "logits", "sha256"


@dataclass(frozen=True)
class Part:
    """Some texts and the file of their logits. Its name is a hash of the texts and of all else that decides the logits.

    A part is computed by itself, so that its logits do not depend on what else is in the cache.

    Args:
        texts: as `id, text, text_pair?`.
        outputs: C.
    """

    texts: Dataset
    file: Path
    outputs: int

    def read(self) -> np.ndarray | None:
        """The logits, float32 [N, C]; None without a file, or where its bytes were changed."""
        try:
            with safe_open(self.file, "np") as stored:
                logits, expected = stored.get_tensor(LOGITS), (stored.metadata() or {}).get(SUM)
        except (OSError, SafetensorError):
            return None
        is_whole = logits.shape == (len(self.texts), self.outputs) and logits.dtype == np.float32
        return logits if is_whole and sum_of(logits) == expected else None

    def write(self, logits: np.ndarray) -> None:
        """Write the whole file or nothing.

        Raises:
            OSError: the disk refuses the file.
        """
        content = save({LOGITS: np.ascontiguousarray(logits)}, metadata={SUM: sum_of(logits)})
        with replacing_bytes(self.file) as handle:
            handle.write(content)


def parts_of(texts: Dataset, key: str, folder: Path, outputs: int) -> list[Part]:
    """The texts in parts of at most `PART_ROWS` rows.

    Args:
        key: of all but the texts that decides the logits. folder: of the files.
    """
    parts = []
    for start in range(0, len(texts), PART_ROWS):
        rows = texts.select(range(start, min(start + PART_ROWS, len(texts))))
        rows = rows.select_columns([name for name in ("text", "text_pair") if name in rows.column_names])
        name = hashlib.sha256(f"{key} {fingerprint(rows)}".encode()).hexdigest()[:32]
        parts.append(Part(rows, folder / f"{name}.safetensors", outputs))
    return parts


def sum_of(logits: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(logits).tobytes()).hexdigest()
