#!/usr/bin/env bash
# Makes the Python wheel and prints its path. Compiled with the rest of the workspace, so that the crates under it
# are not compiled again; linked against the C library of manylinux_2_28 by Zig's linker, since Debian's own is too
# new for the images of clusters. A second call with the same sources finds the wheel made.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${FISHID_CACHE:=${XDG_CACHE_HOME:-$HOME/.cache}/fishid}"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$FISHID_CACHE/target}

die() {
  printf 'wheel: %s\n' "$*" >&2
  exit 1
}

machine=$(uname -m)
case $(uname -s)-$machine in
  Linux-x86_64) ;;
  *) die "wheels are made on Linux for x86-64, which clusters are; here is $(uname -s) $machine" ;;
esac
glibc=2.28
tag=manylinux_${glibc/./_}_$machine

python=$(scripts/setup.sh python crates/fishid-python/requirements.txt)/bin/python
scripts/setup_onnxruntime.sh >&2
onnxruntime=${FISHID_HOME:-$HOME/.local/share/fishid}/onnxruntime/$(sed -n 's/^onnxruntime==\([0-9.]*\).*/\1/p' config/onnxruntime.requirements.txt | head -n 1)

# One test is named so that the features are those of `cargo test --workspace`: otherwise half of it is compiled again.
cargo build --quiet --release --locked --workspace --lib --test arrows >&2
library=$CARGO_TARGET_DIR/release/libfishid_python.a
digest=$(
  {
    sha256sum <"$library"
    find crates/fishid-python/python -name '*.py*' -not -name '*.pyc' -type f | sort | xargs sha256sum
    sha256sum scripts/wheel.sh scripts/pack_wheel.py crates/fishid-python/requirements.txt config/onnxruntime.requirements.txt
  } | sha256sum | cut -c1-16
)
folder=$FISHID_CACHE/wheel/$digest
found=$(compgen -G "$folder/*.whl" || true)
if [ -n "$found" ]; then
  printf '%s\n' "$found"
  exit 0
fi

mkdir -p "$FISHID_CACHE/wheel"
work=$(mktemp -d "$FISHID_CACHE/wheel/.making-XXXXXX")
trap 'rm -rf "$work"' EXIT
printf '{ global: PyInit__native; local: *; };\n' >"$work/exports"
# Python's own symbols come from the interpreter that loads the module.
"$python" -m ziglang cc -target "$machine-linux-gnu.$glibc" -shared -s -o "$work/_native.abi3.so" \
  -Wl,-u,PyInit__native "-Wl,--version-script=$work/exports" -Wl,--gc-sections -Wl,-z,now \
  "$library" -lunwind -lpthread -ldl -lm -lrt -lutil -lc >&2 || die "the module cannot be linked"
mkdir "$work/out"
"$python" scripts/pack_wheel.py --native "$work/_native.abi3.so" --onnxruntime "$onnxruntime" --tag "$tag" --out "$work/out" >&2
if ! mv -T "$work/out" "$folder" 2>/dev/null; then
  compgen -G "$folder/*.whl" >/dev/null || die "could not move the wheel to $folder"
fi
compgen -G "$folder/*.whl"
