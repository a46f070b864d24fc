#!/usr/bin/env bash
# Measures again what docs/TRAINING.md and docs/BATCH.md quote. `scripts/bench.sh [folds|rate|search|predict|table|network|graph|micro]…`,
# all without an argument. Needs FISHID_TEST_DATA with the real photographs and backbone; network and graph install
# PyTorch, some gigabytes, to compare with.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${FISHID_TEST_DATA:?set it to a folder with fishcam/ and backbones/}"
FISHID_TEST_DATA=$(cd "$FISHID_TEST_DATA" && pwd)
export FISHID_TEST_DATA
: "${FISHID_CACHE:=${XDG_CACHE_HOME:-$HOME/.cache}/fishid}"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$FISHID_CACHE/target}
[ $# -gt 0 ] || set -- folds rate search predict table network graph micro

binary() {
  cargo run --release --locked --quiet --package fishid-bench --bin "$1"
}

# The whole process: start, load the library and the model, answer one photograph.
predict() {
  local folder photo fishid=$CARGO_TARGET_DIR/release/fishid started seconds=()
  folder=$(mktemp -d)
  cargo build --release --locked --quiet --package fishid
  "$fishid" train --data "$FISHID_TEST_DATA/fishcam" --out "$folder/bundle" \
    --backbone "$FISHID_TEST_DATA/backbones/mobilenet_v2_imagenet.onnx" >/dev/null
  photo=$(find "$FISHID_TEST_DATA/fishcam" -name '*.png' | sort | head -n 1)
  for _ in 1 2 3 4 5 6 7 8 9; do
    started=$(date +%s%N)
    "$fishid" predict "$folder/bundle" "$photo" >/dev/null
    seconds+=($((($(date +%s%N) - started) / 1000000)))
  done
  rm -rf "$folder"
  printf 'fishid predict of one photograph, new process, milliseconds, sorted: %s\n' \
    "$(printf '%s\n' "${seconds[@]}" | sort -n | tr '\n' ' ')"
}

# `fishid predict … --out` against what the cores allow: real photographs with a small network, then 12 megapixels with
# the network of the system, whose weights do not matter for the time it takes.
table() {
  local folder fishid=$CARGO_TARGET_DIR/release/fishid
  local rate=(cargo run --release --locked --quiet --package fishid-bench --bin table_rate)
  folder=$(mktemp -d)
  cargo build --release --locked --quiet --package fishid
  "$fishid" train --data "$FISHID_TEST_DATA/fishcam" --out "$folder/small" \
    --backbone "$FISHID_TEST_DATA/backbones/mobilenet_v2_imagenet.onnx" >/dev/null
  "${rate[@]}" "$folder/small" "$FISHID_TEST_DATA/fishcam"
  "$fishid" data synth "$folder/fish" --species 4 --per-class 12 >/dev/null
  "$fishid" train --data "$folder/fish" --out "$folder/b4" \
    --backbone tf-efficientnet-b4 --weights random:1 >/dev/null
  "${rate[@]}" "$folder/b4"
  rm -rf "$folder"
}

# The Burn module against PyTorch eager, two threads, then one.
network() {
  local python threads
  python=$(scripts/setup.sh python bench/torch-requirements.txt)/bin/python
  for threads in 2 1; do
    cargo run --release --locked --quiet --package fishid-bench --bin network_rate "$python" "$threads"
  done
}

# fishid's ONNX graph against timm's export, in the same ONNX Runtime.
graph() {
  local python
  python=$(scripts/setup.sh python bench/torch-requirements.txt)/bin/python
  cargo build --release --locked --quiet --package fishid-bench --bin write_graph
  "$python" bench/torch_graph.py --writer "$CARGO_TARGET_DIR/release/write_graph"
}

# The parts of a request, each alone.
micro() {
  cargo bench --profile release --locked --quiet --package fishid-bench --bench micro
}

for what in "$@"; do
  printf '\n=== %s\n' "$what"
  case $what in
    folds) binary fishcam_folds ;;
    rate) binary embedding_rate ;;
    search) binary head_search ;;
    predict) predict ;;
    table) table ;;
    network) network ;;
    graph) graph ;;
    micro) micro ;;
    *) echo "unknown measurement '$what': folds, rate, search, predict, table, network, graph or micro" >&2 && exit 64 ;;
  esac
done
