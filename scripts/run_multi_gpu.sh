#!/usr/bin/env bash
# The same run on several GPUs: bash scripts/run_multi_gpu.sh NUM_PROCESSES [preset.yaml] [flags]
# The effective batch is NUM_PROCESSES times --per_device_train_batch_size.
set -euo pipefail
processes="${1:-}"
if ! [[ "$processes" =~ ^[1-9][0-9]*$ ]]; then
  echo "usage: run_multi_gpu.sh NUM_PROCESSES [preset.yaml] [flags]; '$processes' is no number of processes" >&2
  exit 2
fi
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
source "$root/scripts/environment.sh"
install_requirements requirements.txt
shift
exec "$python" -m accelerate.commands.launch --multi_gpu --num_machines 1 --num_processes "$processes" \
  --mixed_precision no --dynamo_backend no "$root/run_classification.py" "$@"
