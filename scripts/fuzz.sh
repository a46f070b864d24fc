#!/usr/bin/env bash
# Feeds one part of fishid with inputs made to break it, for so long: `scripts/fuzz.sh photo|upload|bundle|answer
# [SECONDS]`, 60 without a number. What breaks it is left in fuzz/artifacts; `scripts/fuzz.sh TARGET FILE` tries such a
# file again. `scripts/fuzz.sh TARGET minimise` keeps of the corpus what reaches code that the rest does not.
#
# With the sanitizer of addresses, on the stable compiler: RUSTC_BOOTSTRAP permits the option.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${1:?which target: photo, upload, bundle or answer}
what=${2:-60}
: "${FISHID_CACHE:=${XDG_CACHE_HOME:-$HOME/.cache}/fishid}"
CARGO_FUZZ=0.13.2
export PATH="$FISHID_CACHE/tools/bin:$PATH" RUSTC_BOOTSTRAP=1
export CARGO_TARGET_DIR=${FISHID_FUZZ_TARGET_DIR:-$FISHID_CACHE/fuzz-target}

if ! cargo-fuzz --version 2>/dev/null | grep -qF "$CARGO_FUZZ"; then
  echo "building cargo-fuzz $CARGO_FUZZ (once)"
  cargo install --quiet --locked --root "$FISHID_CACHE/tools" --target-dir "$FISHID_CACHE/tools-target" "cargo-fuzz@$CARGO_FUZZ"
  rm -rf "$FISHID_CACHE/tools-target"
fi

# A header may promise more than an input can hold: what is taken for it counts as a finding.
limits=(-rss_limit_mb=2048 -malloc_limit_mb=1024 -timeout=20)
if [ -f "$what" ]; then
  exec cargo fuzz run --release "$target" "$what" -- "${limits[@]}"
fi
# New inputs go to a folder of their own: the kept ones are seeds, and stay few.
found="$CARGO_TARGET_DIR/corpus/$target"
mkdir -p "$found" "fuzz/corpus/$target"
if [ "$what" = minimise ]; then
  smaller=$(mktemp -d)
  cargo fuzz run --release "$target" "$smaller" -- -merge=1 -max_len="${FUZZ_MAX_LEN:-4096}" "fuzz/corpus/$target" "$found"
  rm -rf "fuzz/corpus/$target"
  mv "$smaller" "fuzz/corpus/$target"
  exit
fi
cargo fuzz run --release "$target" "$found" "fuzz/corpus/$target" -- "${limits[@]}" -max_total_time="$what"
