"""A weights file as timm would save it, and a hub that gives it away."""

import array
import hashlib
import json
import math
import random
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

GOLDEN = Path(__file__).parents[2] / "crates/fishid-network/tests/golden/efficientnet"


def names_and_shapes(golden: str) -> dict[str, list[int]]:
    """The library's own list of tensors, as the golden file keeps it."""
    content = (GOLDEN / f"{golden}.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    metadata = json.loads(content[8 : 8 + length])["__metadata__"]
    return json.loads(metadata["tensors"])


def safetensors(shapes: dict[str, list[int]], seed: int = 0) -> bytes:
    """A safetensors file with seeded numbers: kernels around 0, variances and factors 1."""
    draw = random.Random(seed)
    header, blocks, at = {}, [], 0
    for name, shape in shapes.items():
        count = math.prod(shape)
        if name.endswith("num_batches_tracked"):
            block, kind = struct.pack("<q", 1), "I64"
        elif len(shape) > 1:
            reach = math.sqrt(6.0 / math.prod(shape[1:])) / 128
            numbers = array.array("b", draw.randbytes(count))
            block, kind = array.array("f", (reach * number for number in numbers)).tobytes(), "F32"
        else:
            value = 1.0 if name.endswith(("running_var", "weight")) else 0.1
            block, kind = array.array("f", [value]).tobytes() * count, "F32"
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [at, at + len(block)]}
        blocks.append(block)
        at += len(block)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(blocks)


class Hub:
    """Serves one file under any repository, behind a redirect that declares commit and digest."""

    COMMIT = "0123456789abcdef0123456789abcdef01234567"

    def __init__(self, content: bytes):
        self.content = content
        self.served = content
        self.status = None
        self.requests = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def _handler(self):
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                hub.requests.append((self.command, self.path))
                if hub.status:
                    self.send_response(hub.status)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                elif self.path.startswith("/storage/"):
                    self.storage()
                else:
                    self.send_response(302)
                    self.send_header("Location", "/storage/file")
                    self.send_header("X-Repo-Commit", hub.COMMIT)
                    self.send_header("X-Linked-Size", str(len(hub.content)))
                    self.send_header("X-Linked-Etag", f'"{hashlib.sha256(hub.content).hexdigest()}"')
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            def storage(self):
                start = 0
                if asked := self.headers.get("Range"):
                    start = int(asked.removeprefix("bytes=").split("-")[0])
                    self.send_response(206)
                    last = len(hub.served) - 1
                    self.send_header("Content-Range", f"bytes {start}-{last}/{len(hub.served)}")
                else:
                    self.send_response(200)
                self.send_header("Content-Length", str(len(hub.served) - start))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(hub.served[start:])

            do_GET = do_HEAD = answer  # noqa: N815

            def log_message(self, *_):
                pass

        return Handler
