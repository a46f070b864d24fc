#!/usr/bin/env bash
# Measures again what docs/TRAINING.md quotes. `scripts/bench.sh [folds|rate|search|predict]…`, all without
# an argument. Needs FISHID_TEST_DATA with the real photographs and backbone.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${FISHID_TEST_DATA:?set it to a folder with fishcam/ and backbones/}"
FISHID_TEST_DATA=$(cd "$FISHID_TEST_DATA" && pwd)
export FISHID_TEST_DATA
: "${FISHID_CACHE:=${XDG_CACHE_HOME:-$HOME/.cache}/fishid}"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$FISHID_CACHE/target}
[ $# -gt 0 ] || set -- folds rate search predict

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

for what in "$@"; do
  printf '\n=== %s\n' "$what"
  case $what in
    folds) binary fishcam_folds ;;
    rate) binary embedding_rate ;;
    search) binary head_search ;;
    predict) predict ;;
    *) echo "unknown measurement '$what': folds, rate, search or predict" >&2 && exit 64 ;;
  esac
done
