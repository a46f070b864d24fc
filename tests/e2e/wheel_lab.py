"""An environment with the Python wheel, as a host of a cluster or a notebook has it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def named_wheel() -> Path:
    named = os.environ.get("FISHID_WHEEL")
    if not named:
        pytest.skip("FISHID_WHEEL is not set (scripts/wheel.sh prints it)")
    return Path(named)


class Python:
    """An environment with the wheel and nothing else of fishid, neither program nor ONNX Runtime library."""

    def __init__(self, folder: Path, wheel: Path, needs: str):
        """`needs` is the variable that names an environment with what the wheel stands on."""
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        self.python = folder / "venv/bin/python"
        install = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel]
        subprocess.run([self.python, *install], check=True)
        needed = Path(os.environ[needs])
        (site,) = (folder / "venv/lib").glob("python*/site-packages")
        (beside,) = (needed / "lib").glob("python*/site-packages")
        (site / "needs.pth").write_text(f"{beside}\n")

    def environment(self, **extra):
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        return kept | {"HOME": str(self.home), "FISHID_HOME": str(self.home / "fishid")} | extra

    def __call__(self, code, *arguments, env=None):
        """What the code leaves in `result`."""
        script = self.folder / "script.py"
        head = "import json, sys\nimport fishid\nimport pyarrow as pa\ngiven = json.loads(sys.argv[1])\n"
        script.write_text(f"{head}{code}\nprint(json.dumps(result))\n")
        done = subprocess.run(
            [self.python, script, json.dumps([str(it) for it in arguments])],
            capture_output=True,
            text=True,
            env=self.environment(**(env or {})),
            cwd=self.folder,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])
