#!/usr/bin/env bash
# MINUTES of mixed clients and reloads against the release binary: two models of the fishcam photographs where
# FISHID_TEST_DATA names them, else of drawn fish. Prints tables for docs/RELIABILITY.md.
set -euo pipefail
cd "$(dirname "$0")/.."
minutes=${1:-30}
: "${FISHID_CACHE:=${XDG_CACHE_HOME:-$HOME/.cache}/fishid}"
fishid=${CARGO_TARGET_DIR:-$FISHID_CACHE/target}/release/fishid
python=$(scripts/setup.sh python tests/requirements.txt)/bin/python
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if [ -n "${FISHID_TEST_DATA:-}" ]; then
  photos=$FISHID_TEST_DATA/fishcam
  network=(--backbone "$FISHID_TEST_DATA/backbones/mobilenet_v2_imagenet.onnx")
else
  photos=$folder/fish
  network=(--backbone efficientnet-b0 --weights random:0)
  "$fishid" data synth "$photos" --species 4 --per-class 12 >/dev/null
fi
for seed in 0 1; do
  "$fishid" train --data "$photos" --out "$folder/bundle-$seed" --seed "$seed" "${network[@]}" >/dev/null
done
"$python" bench/soak.py --minutes "$minutes" --binary "$fishid" --photos "$photos" \
  --bundle "$folder/bundle-0" --bundle "$folder/bundle-1"
