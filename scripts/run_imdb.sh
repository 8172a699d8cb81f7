#!/usr/bin/env bash
# The IMDB reference: bash scripts/run_imdb.sh [flags of run_classification.py]
# With a GPU it takes minutes. Any other model or local files: add --model_name_or_path, --train_file, --test_file.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
source "$root/scripts/environment.sh"
install_requirements requirements.txt
exec "$python" "$root/run_classification.py" "$root/presets/imdb.yaml" --overwrite_output_dir "$@"
