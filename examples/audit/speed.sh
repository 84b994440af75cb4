#!/usr/bin/env bash
# A federation of twenty institutions with 99,001 parameters on this machine, in real processes, then how long the audit of its transcript takes
# beside hashing the same bytes: examples/audit/speed.sh [ROUNDS] (5 where absent; a round takes some seconds, its transcript 2 MB).
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=${1:-5}
cargo build --release --workspace --bin xfl --bin audit_speed
built=${CARGO_TARGET_DIR:-target}
xfl=$(realpath "$built/release/xfl")
speed=$(realpath "$built/release/audit_speed")
data=$(realpath examples/data/breast_cancer_wisconsin.csv)
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
field() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" | head -1; }

coordinator=$("$xfl" init --quorum 15 --rounds "$rounds" --json -q | field coordinator)
sed -i 's/kind = "logistic"/kind = "mlp"\nhidden = [3000]/; s/^batch = 52/batch = 8/; s/noise_multiplier = 2.0/noise_multiplier = 0/
  s/^kind = "cosine"/kind = "participation"/; s/^# stage_seconds = 60 /stage_seconds = 600 /' federation.toml
for i in $(seq 20); do
  node=$("$xfl" keygen --out "m$i" --json -q | field node)
  "$xfl" member add "$node" --name "m$i" -q >/dev/null
  awk -v i="$i" 'NR == 1 || NR % 20 == i - 1' "$data" >"m$i.csv"
done
"$xfl" round --listen 127.0.0.1:0 --rpc-listen 127.0.0.1:0 -q >round.txt &
until [ -s run/address.json ]; do sleep 0.1; done
address=$(field coordinator <run/address.json)
for i in $(seq 20); do
  "$xfl" join --coordinator "$address" --coordinator-key "$coordinator" --key "m$i/node.pem" --payout-key "m$i/payout.key" \
    --data "m$i.csv" --dir "m$i/state" -q >"m$i.txt" 2>&1 &
done
wait
"$speed" run/transcript.xfl
