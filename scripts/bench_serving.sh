#!/usr/bin/env bash
# Compares `fishid serve` with other servers and writes docs/PERFORMANCE.md: what `make bench` does. Flags are
# those of bench/serving.py; `--only fishid,openvino --quick` for a look.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${FISHID_CACHE:=${XDG_CACHE_HOME:-$HOME/.cache}/fishid}"
export FISHID_CACHE
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$FISHID_CACHE/target}
scripts/setup.sh bench
python=$(scripts/setup.sh python bench/requirements.txt)/bin/python
"$python" bench/serving.py "$@"
"$python" bench/report.py
