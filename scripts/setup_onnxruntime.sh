#!/usr/bin/env bash
# Installs the pinned ONNX Runtime library into $FISHID_HOME/onnxruntime/VERSION, from its Python wheel,
# fetched by pip by version and hash. A second call finds it there and does nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
requirements=config/onnxruntime.requirements.txt
version=$(sed -n 's/^onnxruntime==\([0-9.]*\).*/\1/p' "$requirements" | head -n 1)
home=${FISHID_HOME:-$HOME/.local/share/fishid}
target=$home/onnxruntime/$version
python=${PYTHON:-python3}

die() {
  printf 'setup_onnxruntime: %s\n' "$*" >&2
  exit 1
}

# One fixed wheel tag per machine, so that any interpreter version fetches the same file.
case $(uname -s)-$(uname -m) in
  Linux-x86_64)
    platforms=(manylinux_2_28_x86_64)
    library=libonnxruntime.so.$version
    ;;
  Linux-aarch64)
    platforms=(manylinux_2_28_aarch64 manylinux_2_27_aarch64)
    library=libonnxruntime.so.$version
    ;;
  Darwin-arm64)
    platforms=(macosx_14_0_arm64)
    library=libonnxruntime.$version.dylib
    ;;
  *) die "no ONNX Runtime $version wheel is pinned for $(uname -s) $(uname -m); install the library and set ORT_DYLIB_PATH to it" ;;
esac

# The folder appears by one rename, so a library in it means a whole installation.
[ -e "$target/$library" ] && exit 0

command -v "$python" >/dev/null || die "$python is missing; install Python 3.11 or newer (apt-get install python3 python3-pip)"
"$python" -m pip --version >/dev/null 2>&1 || die "$python has no pip; install it (apt-get install python3-pip)"

mkdir -p "$home/onnxruntime"
work=$(mktemp -d "$home/onnxruntime/.setup-XXXXXX")
trap 'rm -rf "$work"' EXIT

printf 'setup_onnxruntime: fetching ONNX Runtime %s\n' "$version"
arguments=(--quiet --disable-pip-version-check --no-cache-dir --no-deps --only-binary=:all: --require-hashes
  --python-version 3.11 --implementation cp --dest "$work/wheel" --requirement "$requirements")
for platform in "${platforms[@]}"; do arguments+=(--platform "$platform"); done
"$python" -m pip download "${arguments[@]}" ||
  die "pip could not fetch ONNX Runtime $version (its words are above); check the network or the package index, or set ORT_DYLIB_PATH to a libonnxruntime you have"

# Only what running on a processor needs. Left out: the Python module, the GPU, NPU, auto and hetero
# plug-ins, the C bindings, and the second and third copy that a wheel stores instead of symbolic links.
"$python" - "$work/wheel" "$work/files" <<'PYTHON'
import pathlib, re, sys, zipfile

wheels, files = (pathlib.Path(argument) for argument in sys.argv[1:])
(wheel,) = wheels.glob("*.whl")
needed = re.compile(
    r"onnxruntime/(LICENSE|ThirdPartyNotices\.txt|capi/("
    r"libonnxruntime\.so\.[0-9.]+|libonnxruntime\.[0-9.]+\.dylib"
    r"|libonnxruntime_providers_(shared|openvino)\.so"
    r"|libopenvino(_onnx_frontend)?\.so\.[0-9]+|libopenvino_intel_cpu_plugin\.so"
    r"|libtbb\.so\.[0-9]+))"
)
files.mkdir()
with zipfile.ZipFile(wheel) as archive:
    for member in archive.namelist():
        if needed.fullmatch(member):
            path = files / pathlib.PurePosixPath(member).name
            path.write_bytes(archive.read(member))
            path.chmod(0o644)
PYTHON
[ -e "$work/files/$library" ] || die "the wheel holds no $library; was $requirements changed?"

# Another set-up that ran at the same time may have been faster: its folder is as good as ours.
if [ ! -e "$target/$library" ]; then
  rm -rf "$target"
  mv "$work/files" "$target" || [ -e "$target/$library" ] || die "could not move the library to $target"
fi
printf 'setup_onnxruntime: installed %s\n' "$target/$library"
