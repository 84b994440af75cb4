#!/usr/bin/env bash
# One DP-SGD step beside a plain one, with Opacus and with xfl, taking turns. Needs Python 3.10 to 3.12, 6 GB of disk for torch, Linux.
#   examples/opacus/compare.sh                           all networks, batches of 64 and 256, one and two threads
#   examples/opacus/compare.sh --net mlp --batch 256     some of them
#   examples/opacus/compare.sh --json                    the same as JSON
set -euo pipefail
cd "$(dirname "$0")"
export PYTHONDONTWRITEBYTECODE=1
if ! .venv/bin/python -c 'import opacus' 2>/dev/null; then
  python3 -m venv .venv
  .venv/bin/pip install --quiet --requirement requirements.txt
fi
program=${STEP_TIME:-}
if [ -z "$program" ]; then
  cargo build --release --workspace --bin step_time
  program=${CARGO_TARGET_DIR:-../../target}/release/step_time
fi
exec .venv/bin/python compare.py --program "$program" "$@"
