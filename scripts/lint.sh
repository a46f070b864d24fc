#!/usr/bin/env bash
# Formatting, lints with warnings as errors, licences and sources, documentation, links.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/parts.sh
: "${FISHID_CACHE:=${XDG_CACHE_HOME:-$HOME/.cache}/fishid}"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$FISHID_CACHE/target}
python=$(scripts/setup.sh python tests/requirements.txt)

rust_docs() {
  RUSTDOCFLAGS='-D warnings' cargo doc --release --locked --workspace --no-deps --quiet
}

shell_scripts() {
  git ls-files '*.sh' .ci/run | xargs shellcheck
}

links() {
  git ls-files "*.md" | xargs tests/browser/node_modules/.bin/remark --quiet --frail --no-stdout
}

part "rust format" cargo fmt --all --check
part "clippy" cargo clippy --release --locked --workspace --all-targets --quiet -- -D warnings
part "rust docs" rust_docs
part "cargo deny" "$FISHID_CACHE/tools/bin/cargo-deny" --locked check --hide-inclusion-graph bans licenses sources
part "python" "$python/bin/ruff" check .
part "python format" "$python/bin/ruff" format --check .
part "javascript" tests/browser/node_modules/.bin/biome ci --error-on-warnings frontend tests/browser
part "shell" shell_scripts
part "links in documents" links
parts_done
