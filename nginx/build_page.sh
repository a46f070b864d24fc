#!/bin/sh
# Makes the page that Nginx serves: `build_page.sh OUT`. The files of frontend/, with every link to a part carrying the
# part's digest (?v=…), so that browsers may keep it for a year, and each part compressed once beside itself.
set -eu
out=${1:?which folder: build_page.sh OUT}
from=$(cd "$(dirname "$0")/../frontend" && pwd)
[ -e "$from/vendor/bootstrap.min.css" ] || {
  echo "build_page: frontend/vendor is empty: run scripts/setup.sh run" >&2
  exit 1
}
mkdir -p "$out/vendor"
cp "$from/index.html" "$from"/*.js "$from"/*.css "$from"/*.svg "$out/"
cp "$from"/vendor/* "$out/vendor/"

# Puts the digest of a part into the links of a file that names it.
link() {
  part=$1 in=$2
  digest=$(sha256sum <"$out/$part" | cut -c1-12)
  grep -qF "$part\"" "$out/$in" || {
    echo "build_page: $in does not name $part" >&2
    exit 1
  }
  sed -i "s|$part\"|$part?v=$digest\"|g" "$out/$in"
}

# From the leaves up: app.js changes with texts.js, and its digest with it.
link texts.js app.js
for part in app.js style.css icon.svg vendor/bootstrap.min.css; do
  link "$part" index.html
done
find "$out" -type f \( -name '*.html' -o -name '*.js' -o -name '*.css' -o -name '*.svg' \) -exec gzip -9 -k -n -f {} +
