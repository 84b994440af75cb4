#!/usr/bin/env bash
# A federation of four hospitals on three real chains (two anvil nodes and hardhat's, from npm, a block a second), its members paid on different ones, and the
# auditor's report; then every way in which a coordinator and a quorum can lie, who notices, what proves it and who is slashed.
#   examples/chains/run.sh          both (some minutes where nothing is built yet)
#   examples/chains/run.sh honest   the federation alone
#   examples/chains/run.sh lies     the liars alone
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
part=${1:-both}

honest() {
  cargo build --release --workspace --bin xfl
  local xfl nodes=$root/.ci/chain-nodes
  xfl=$(realpath "${CARGO_TARGET_DIR:-target}/release/xfl")
  [ -f "$nodes/node_modules/hardhat/internal/cli/bootstrap.js" ] || npm ci --no-audit --no-fund --prefix "$nodes" >/dev/null
  folder=$(mktemp -d)
  config=$nodes/example-$$.tmp.js
  trap 'kill $(jobs -p) 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$folder" "$config"' EXIT
  cd "$folder"
  say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
  # 1st string value of a key in JSON
  field() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" | head -1; }
  call() { curl -sS --noproxy '*' -H 'content-type: application/json' -d "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"$2\",\"params\":$3}" "$1"; }

  say "three chains: 31337 (home) and 31338 are anvil, 31339 is hardhat"
  local ports
  mapfile -t ports < <(node -e '
    const net = require("net"), servers = [0, 0, 0].map(() => net.createServer().listen(0, "127.0.0.1"));
    let left = 3;
    for (const s of servers) s.on("listening", () => { if (!--left) { for (const t of servers) { console.log(t.address().port); t.close(); } } });')
  local a=http://127.0.0.1:${ports[0]} b=http://127.0.0.1:${ports[1]} c=http://127.0.0.1:${ports[2]}
  "$nodes/node_modules/.bin/anvil" --silent --block-time 1 --hardfork prague --chain-id 31337 --port "${ports[0]}" &
  "$nodes/node_modules/.bin/anvil" --silent --block-time 1 --hardfork prague --chain-id 31338 --port "${ports[1]}" &
  echo "module.exports = { networks: { hardhat: { chainId: 31339, hardfork: 'prague', mining: { auto: true, interval: 1000 } } }, paths: { root: '$folder', cache: '$folder', artifacts: '$folder' } };" >"$config"
  (cd "$nodes" && HARDHAT_DISABLE_TELEMETRY_PROMPT=true exec node node_modules/hardhat/internal/cli/bootstrap.js --config "$config" node --hostname 127.0.0.1 --port "${ports[2]}" >/dev/null) &
  for url in "$a" "$b" "$c"; do
    for _ in $(seq 300); do call "$url" eth_chainId '[]' >/dev/null 2>&1 && break || sleep 0.1; done
  done

  say "a plan of three rounds, disputed for at least five seconds each; four hospitals and their keys"
  local begun coordinator payer
  begun=$("$xfl" init --rounds 3 --json -q)
  coordinator=$(field coordinator <<<"$begun")
  payer=$(field payout <<<"$begun")
  sed -i 's/^# activation_seconds = 3600/activation_seconds = 5/' federation.toml
  fund() { call "$1" "$2" "[\"$3\",\"0x3635c9adc5dea00000\"]" >/dev/null; }
  fund "$a" anvil_setBalance "$payer"
  fund "$b" anvil_setBalance "$payer"
  fund "$c" hardhat_setBalance "$payer"
  local data=$root/examples/data/breast_cancer_wisconsin.csv i=0 made
  for name in northfield riverside hillcrest lakeview; do
    i=$((i + 1))
    awk -v i="$i" 'NR == 1 || NR % 4 == i - 1' "$data" >"$name.csv"
    made=$("$xfl" keygen --out "$name" --json -q)
    "$xfl" member add "$(field node <<<"$made")" --name "$name" -q >/dev/null
    fund "$a" anvil_setBalance "$(field payout <<<"$made")"
    fund "$b" anvil_setBalance "$(field payout <<<"$made")"
    fund "$c" hardhat_setBalance "$(field payout <<<"$made")"
  done

  say "xfl round --chain $a --mirror $b --mirror $c"
  "$xfl" round --listen 127.0.0.1:0 --rpc-listen 127.0.0.1:0 --chain "$a" --mirror "$b" --mirror "$c" &
  local round=$! joins=()
  until [ -s run/address.json ]; do sleep 0.1; done
  local address chain
  address=$(field coordinator <run/address.json)
  for pair in northfield:31337 riverside:31338 hillcrest:31339 lakeview:31337; do
    name=${pair%:*} chain=${pair#*:}
    "$xfl" join --coordinator "$address" --coordinator-key "$coordinator" --key "$name/node.pem" --payout-key "$name/payout.key" \
      --payout-chain "$chain" --data "$name.csv" --dir "$name/state" -q >/dev/null &
    joins+=($!)
  done
  wait "${joins[@]}"

  say "xfl challenge lakeview/state: an honest round has nothing to fear"
  "$xfl" challenge lakeview/state --rpc "$a" --payout-key lakeview/payout.key -q
  wait "$round"

  say "stakes: xfl stake deposit 0.5 for northfield"
  "$xfl" stake deposit 0.5 --dir northfield/state --payout-key northfield/payout.key --rpc "$a" -q

  say "xfl settle --wait: what is final at home is posted on the mirrors"
  "$xfl" settle --dir run --wait -q
  # The mirrors' own delay.
  sleep 7

  say "xfl claim: each on its own chain"
  for name in northfield riverside hillcrest lakeview; do
    echo "$name"
    "$xfl" claim --dir "$name/state" --key "$name/node.pem" --payout-key "$name/payout.key" --rpc "$a" --rpc "$b" --rpc "$c" -q
  done

  say "xfl chain verify, and the auditor's report"
  "$xfl" chain verify --dir run -q
  "$xfl" audit run --rpc "$a" --rpc "$b" --rpc "$c" -q
  cd "$root"
}

lies() {
  printf '\n\033[1m%s\033[0m\n' "every lie of a coordinator and its quorum: who notices, by what, gas, who is slashed"
  cargo test --release --workspace --test challenge -- --nocapture --test-threads 1
}

case $part in
  honest) honest ;;
  lies) lies ;;
  both) honest && lies ;;
  *) echo "usage: $0 [honest|lies]" >&2 && exit 2 ;;
esac
