#!/bin/sh
# `build_page.sh OUT`: the page with its parts from npm, by lock file.
set -eu
cd "$(dirname "$0")/.."
(cd frontend && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
scripts/vendor_page.sh
nginx/build_page.sh "$1"
