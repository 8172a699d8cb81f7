"""Run command lines of scripts/adapt_pretrain.py as two_processes.py runs those of run_classification.py."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import adapt_pretrain
import two_processes

if __name__ == "__main__":
    two_processes.main = adapt_pretrain.main
    two_processes.run_all(json.loads(sys.argv[1]))
