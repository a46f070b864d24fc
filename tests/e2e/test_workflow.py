"""The workflow of GitHub runs what `.ci/run` runs, with the oldest Rust that the workspace takes."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_workflow_is_the_script_and_its_rust_that_of_the_workspace():
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    assert re.findall(r"(?m)^      - run: (.*)$", text)[-1] == ".ci/run"
    oldest = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["rust-version"]
    assert f"dtolnay/rust-toolchain@{oldest}." in text
    server = (ROOT / "docker" / "server.Dockerfile").read_text()
    assert f"library/rust:{oldest}-" in server
