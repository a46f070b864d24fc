"""Packs the wheel: the Python half, the native module, the ONNX Runtime library; then has its tag checked.

Called by scripts/wheel.sh. The same files give the same bytes, whenever and wherever they are packed.
"""

import argparse
import base64
import hashlib
import json
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "crates/fishid-python/python/fishid"
NATIVE = "fishid/_native.abi3.so"
# The oldest Python of the pinned Data Processing image, as in the crate's feature `abi3-py38`.
PYTHON = "cp38-abi3"
METADATA = """\
Metadata-Version: 2.1
Name: fishid
Version: {version}
Summary: Names fish species from photographs: training, scoring and preprocessing in Rust
License: MIT
Requires-Python: >=3.8
Requires-Dist: numpy
Requires-Dist: pyarrow >=4
Description-Content-Type: text/markdown

The code of the program `fishid` for Python: Spark executors, drivers of training jobs, notebooks.
The ONNX Runtime library is inside.
"""


def contents(native, onnxruntime):
    """Name in the wheel and bytes of every file."""
    for path in sorted(PACKAGE.rglob("*")):
        if path.suffix in (".py", ".pyi") or path.name == "py.typed":
            yield f"fishid/{path.relative_to(PACKAGE).as_posix()}", path.read_bytes()
    yield NATIVE, native.read_bytes()
    for path in sorted(onnxruntime.iterdir()):
        yield f"fishid/onnxruntime/{path.name}", path.read_bytes()


def digest(content):
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def pack(files, version, tag, out):
    info = f"fishid-{version}.dist-info"
    wheel = f"Wheel-Version: 1.0\nGenerator: pack_wheel\nRoot-Is-Purelib: false\nTag: {PYTHON}-{tag}\n"
    files = [
        *files,
        (f"{info}/METADATA", METADATA.format(version=version).encode()),
        (f"{info}/WHEEL", wheel.encode()),
        (f"{info}/licenses/LICENSE", (ROOT / "LICENSE").read_bytes()),
    ]
    record = "".join(f"{name},sha256={digest(content)},{len(content)}\n" for name, content in files)
    record += f"{info}/RECORD,,\n"
    path = out / f"fishid-{version}-{PYTHON}-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, content in [*files, (f"{info}/RECORD", record.encode())]:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o755 if ".so" in name else 0o644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return path


def check(wheel, tag):
    """Refuses a wheel whose symbols are newer than its tag says."""
    line = [sys.executable, "-m", "auditwheel", "show", wheel]
    shown = subprocess.run(line, capture_output=True, text=True, check=False)
    words = " ".join(shown.stdout.split())
    if shown.returncode != 0 or f'platform tag: "{tag}"' not in words:
        sys.exit(f"pack_wheel: {wheel.name} is no {tag}: {shown.stdout}{shown.stderr}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--native", type=Path, required=True)
    parser.add_argument("--onnxruntime", type=Path, required=True)
    parser.add_argument("--tag", required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    manifest = tomllib.loads((ROOT / "Cargo.toml").read_text())
    version = manifest["workspace"]["package"]["version"]
    wheel = pack(contents(given.native, given.onnxruntime), version, given.tag, given.out)
    check(wheel, given.tag)
    print(json.dumps({"wheel": wheel.name, "bytes": wheel.stat().st_size}))


if __name__ == "__main__":
    main()
