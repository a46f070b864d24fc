#!/usr/bin/env bash
# Checks photographs and brings them to S3: `upload_dataset.sh s3://BUCKET/PREFIX [FOLDER]`, by default from
# datasets_final/processed_images. What is there already with the same content is left alone, so a call that
# was cut goes on where it was. Keys come from the variables of the AWS tools: docs/STORAGE.md. DRY_RUN=1 checks
# and says what it would do.
set -euo pipefail
cd "$(dirname "$0")/.."

die() {
  printf 'upload-dataset: %s\n' "$2" >&2
  exit "$1"
}

to=${1:-}
from=${2:-datasets_final/processed_images}
case $to in
  s3://?*) ;;
  *) die 64 "name the destination: make upload-dataset TO=s3://BUCKET/PREFIX" ;;
esac
[ -d "$from" ] || die 2 "there is no folder '$from': unpack the photographs there, or name another with FROM=FOLDER"

cache=${FISHID_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/fishid}
fishid=${FISHID_BIN:-${CARGO_TARGET_DIR:-$cache/target}/release/fishid}
[ -x "$fishid" ] || die 1 "there is no program '$fishid': run make build, or name it in FISHID_BIN"

"$fishid" data check "$from" || die 2 "nothing was brought: mend or remove what is named above, then try again"
if [ -n "${DRY_RUN:-}" ]; then
  printf 'would run: %s data upload %s %s\n' "$fishid" "$from" "$to"
  exit
fi
"$fishid" data upload "$from" "$to"
