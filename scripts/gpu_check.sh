#!/usr/bin/env bash
# Check the recipe on a GPU, without network, and write one Markdown report:
#   bash scripts/gpu_check.sh FOLDER [--device cuda|cpu] [--out DIR] [--minutes 8] [--parts NAME ...]
# scripts/gpu_check.py describes FOLDER and the parts. PYTHON=... selects the interpreter; nothing is installed into it.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
exec "${PYTHON:-python3}" "$root/scripts/gpu_check.py" "$@"
