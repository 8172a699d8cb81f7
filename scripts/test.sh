#!/usr/bin/env bash
# Lint, check types and test. Usage: bash scripts/test.sh [--slow] [pytest arguments]
#   --slow  adds the real pretrained model and real data where it is present
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
"$python" -m mypy
# One process per core and one thread per process: models this small gain nothing from a second thread. The tests of a
# file share their runs, so a file stays in one process.
OMP_NUM_THREADS=1 "$python" -m pytest -q --numprocesses auto --dist loadfile "$@"
