#!/usr/bin/env bash
# ByzFL beside xfl on the same files: agreement on small inputs, then speed and memory. Needs Python 3.10 to 3.12, 6 GB of disk for torch, Linux.
#   examples/byzfl/compare.sh                    agreement and speed
#   examples/byzfl/compare.sh agree --seed 7     agreement alone, on other inputs
#   examples/byzfl/compare.sh speed -d 100000    speed alone
#   examples/byzfl/compare.sh cost --out FOLDER  every rule as rows and coordinates grow: a table and a plot
#   examples/byzfl/compare.sh large              rows larger than memory (12.8 GB of disk)
#   examples/byzfl/compare.sh vectors            writes the test vectors anew
set -euo pipefail
cd "$(dirname "$0")"
export PYTHONDONTWRITEBYTECODE=1
if ! .venv/bin/python -c 'import byzfl' 2>/dev/null; then
  python3 -m venv .venv
  .venv/bin/pip install --quiet --requirement requirements.txt
fi
if [ "${1:-}" = vectors ]; then
  exec .venv/bin/python vectors.py ../../aggregation/tests/vectors/byzfl.json
fi
xfl=${XFL:-}
if [ -z "$xfl" ]; then
  cargo build --release --workspace --bin xfl
  xfl=${CARGO_TARGET_DIR:-../../target}/release/xfl
fi
if [ $# -gt 0 ]; then
  what=$1
  shift
  case $what in cost | large) exec .venv/bin/python "$what.py" --xfl "$xfl" "$@" ;; esac
  exec .venv/bin/python compare.py "$what" --xfl "$xfl" "$@"
fi
.venv/bin/python compare.py agree --xfl "$xfl"
.venv/bin/python compare.py speed --xfl "$xfl"
