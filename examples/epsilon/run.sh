#!/usr/bin/env bash
# Fetches MNIST where it is wanted and runs the table; all arguments go to the program: examples/epsilon/run.sh --quick
set -euo pipefail
cd "$(dirname "$0")/../.."
case " ${XFL_EPSILON_FEDERATION:-} $* " in
*breast-cancer* | *" --help "* | *" -h "*) ;;
*) examples/mnist/fetch.sh >&2 ;;
esac
cargo build --release --workspace --bin epsilon
exec "${CARGO_TARGET_DIR:-target}/release/epsilon" "$@"
