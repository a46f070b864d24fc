#!/usr/bin/env bash
# What the images are made of, into build/image: the program (compiled, unless FISHID_BIN names one), ONNX Runtime's library,
# licences, the bill of materials, the page. It runs in the image's build, and on a machine that has all that already.
set -euo pipefail
cd "$(dirname "$0")/.."
out=build/image
cache=${FISHID_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/fishid}
home=${FISHID_HOME:-$HOME/.local/share/fishid}

if [ -z "${FISHID_BIN:-}" ]; then
  (cd frontend && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
  scripts/vendor_page.sh
  cargo build --release --locked --package fishid
  FISHID_BIN=${CARGO_TARGET_DIR:-$cache/target}/release/fishid
fi
FISHID_HOME=$home scripts/setup_onnxruntime.sh
version=$(sed -n 's/^onnxruntime==\([0-9.]*\).*/\1/p' config/onnxruntime.requirements.txt | head -n 1)

rm -rf "$out"
mkdir -p "$out/onnxruntime"
cp "$FISHID_BIN" "$out/fishid"
cp -L "$home/onnxruntime/$version"/* "$out/onnxruntime/"
cp LICENSE "$out/"
nginx/build_page.sh "$out/page"
python3 scripts/sbom.py >"$out/sbom.cdx.json"
