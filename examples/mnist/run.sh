#!/usr/bin/env bash
# Fetches MNIST and runs the tables; all arguments go to the program: examples/mnist/run.sh --quick
# The workspace's release profile is for building fast. The rules are generic and compiled into the program that calls them, so
# this program alone is optimised in full here, which makes them several times as fast.
set -euo pipefail
cd "$(dirname "$0")/../.."
examples/mnist/fetch.sh >&2
cargo build --release --workspace --bin mnist \
  --config 'profile.release.package.xfl-examples.opt-level=3' \
  --config 'profile.release.package.xfl-examples.codegen-units=1'
exec "${CARGO_TARGET_DIR:-target}/release/mnist" "$@"
