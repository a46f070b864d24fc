#!/usr/bin/env bash
# Copies the page's npm parts to frontend/vendor, from where the server embeds them: no request of the
# page ever leaves its own host.
set -euo pipefail
cd "$(dirname "$0")/../frontend"
mkdir -p vendor
copy() {
  cmp -s "$1" "vendor/$2" || cp "$1" "vendor/$2"
}
copy node_modules/bootstrap/dist/css/bootstrap.min.css bootstrap.min.css
copy node_modules/bootstrap/LICENSE bootstrap.LICENSE
