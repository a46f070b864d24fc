"""Writes the first inputs of each target into fuzz/corpus; needs Pillow (tests/requirements.txt has it).

What fuzzing finds is added by `scripts/fuzz.sh TARGET minimise`.
"""

import io
import struct
from pathlib import Path

from PIL import Image

CORPUS = Path(__file__).parent / "corpus"
BUNDLE = Path(__file__).parents[1] / "crates/fishid-bundle/tests/golden/v1"
# As in fuzz_targets/bundle.rs.
BUNDLE_FILES = ["fishid.json", "MLmodel", "golden/expected.json", "golden/photo_00.png"]


def write(target: str, name: str, content: bytes) -> None:
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def encoded(mode: str, form: str, size=(37, 29), **options) -> bytes:
    buffer = io.BytesIO()
    picture = Image.linear_gradient("L").resize(size).convert("RGB")
    if mode == "I;16":
        picture = picture.convert("I").point(lambda value: value * 257).convert("I;16")
    else:
        picture = picture.convert(mode)
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def photographs() -> dict[str, bytes]:
    turned = Image.Exif()
    turned[0x0112] = 6
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    return {
        "plain.jpg": encoded("RGB", "JPEG", quality=80),
        "large.jpg": encoded("RGB", "JPEG", size=(200, 150), quality=20),
        "progressive.jpg": encoded("RGB", "JPEG", progressive=True, subsampling=2),
        "gray.jpg": encoded("L", "JPEG"),
        "cmyk.jpg": encoded("CMYK", "JPEG"),
        "turned.jpg": encoded("RGB", "JPEG", exif=turned),
        "restarts.jpg": encoded("RGB", "JPEG", restart_marker_blocks=1),
        "rgb.png": encoded("RGB", "PNG"),
        "rgba.png": encoded("RGBA", "PNG"),
        "palette.png": encoded("P", "PNG"),
        "bilevel.png": encoded("1", "PNG"),
        "gray16.png": encoded("I;16", "PNG"),
        "lossy.webp": encoded("RGB", "WEBP", quality=30),
        "lossless.webp": encoded("RGBA", "WEBP", lossless=True),
        "animated.webp": animated(frames),
    }


def animated(frames) -> bytes:
    buffer = io.BytesIO()
    frames[0].save(buffer, "WEBP", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def form(*parts: tuple[str, bytes], boundary=b"b") -> bytes:
    lines = [
        b"--" + boundary + b"\r\n" + head.encode() + b"\r\n\r\n" + body + b"\r\n" for head, body in parts
    ]
    return b"".join(lines) + b"--" + boundary + b"--\r\n"


def uploads() -> dict[str, bytes]:
    file = 'Content-Disposition: form-data; name="file"; filename="a.jpg"\r\nContent-Type: image/jpeg'
    other = 'Content-Disposition: form-data; name="note"'
    forms = {
        "one": form((file, b"bytes")),
        "two": form((file, b"bytes"), (file, b"others")),
        "field": form((other, b"text"), (file, b"bytes")),
        "empty": form((file, b"")),
        "none": form(),
        "cut": form((file, b"bytes"))[:-9],
        "long": form((file, bytes(3_000))),
        "utf8": form(("Content-Disposition: form-data; name=\"file\"; filename*=UTF-8''%D1%89.jpg", b"x")),
    }
    kind = b"multipart/form-data; boundary=b\n"
    named = {
        f"{name}-{route}": bytes([2 + route]) + kind + body
        for name, body in forms.items()
        for route in (0, 1)
    }
    named["quoted"] = bytes([8]) + b'multipart/form-data; boundary="b"\n' + forms["one"]
    named["no-boundary"] = bytes([8]) + b"multipart/form-data\n" + forms["one"]
    named["raw"] = bytes([8]) + b"image/png\nbytes"
    named["text"] = bytes([8]) + b"text/plain\nbytes"
    return named


def bundles() -> dict[str, bytes]:
    return {Path(name).name: bytes([n]) + (BUNDLE / name).read_bytes() for n, name in enumerate(BUNDLE_FILES)}


def answers() -> dict[str, bytes]:
    rows = {"even": [0.25] * 4, "sure": [0.0, 1.0], "one": [1.0], "unsure": [0.5, 0.3, 0.2]}
    return {name: bytes([len(row)]) + struct.pack(f"<{len(row)}f", *row) for name, row in rows.items()}


if __name__ == "__main__":
    seeds = {"photo": photographs(), "upload": uploads(), "bundle": bundles(), "answer": answers()}
    for target, inputs in seeds.items():
        for name, content in inputs.items():
            write(target, name, content)
