#!/usr/bin/env python3
"""Prints the bill of materials of the program `fishid` as CycloneDX 1.5: every crate compiled into it, with
version, licence and hash, ONNX Runtime, and what the page embeds.

Nothing is compiled: `cargo metadata` says what depends on what, Cargo.lock the hashes. The same input gives
the same document, so that it has no date and no serial number.
"""

import json
import pathlib
import re
import subprocess
import tomllib

ROOT = pathlib.Path(__file__).parents[1]
TARGET = "x86_64-unknown-linux-gnu"


def crates():
    """Packages that the binary is made of; what only tests need is left out."""
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", TARGET]
    metadata = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    (root,) = [identity for identity, package in packages.items() if package["name"] == "fishid"]
    reached, waiting = set(), [root]
    while waiting:
        identity = waiting.pop()
        if identity in reached:
            continue
        reached.add(identity)
        for dependency in nodes[identity]["deps"]:
            if any(kind["kind"] != "dev" for kind in dependency["dep_kinds"]):
                waiting.append(dependency["pkg"])
    return root, [packages[identity] for identity in sorted(reached, key=lambda i: packages[i]["name"])]


def hashes():
    """Crate and version → SHA-256 of its archive; crates of this workspace have none."""
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    return {(p["name"], p["version"]): p["checksum"] for p in lock["package"] if "checksum" in p}


def component(name, version, purl, licence=None, sha256=None):
    made = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    if licence:
        made["licenses"] = [{"expression": " OR ".join(part.strip() for part in re.split("/", licence))}]
    if sha256:
        made["hashes"] = [{"alg": "SHA-256", "content": sha256}]
    return made


def onnxruntime():
    text = (ROOT / "config" / "onnxruntime.requirements.txt").read_text()
    # Of the wheels that are pinned, the one of the image's platform.
    for name, version in re.findall(r"(?m)^(onnxruntime[\w-]*)==([\d.]+) .*x86_64", text):
        yield component(name, version, f"pkg:pypi/{name}@{version}", "MIT")


def page():
    lock = json.loads((ROOT / "frontend" / "package-lock.json").read_text())
    for path, package in lock["packages"].items():
        if path and not package.get("dev"):
            name = path.removeprefix("node_modules/")
            yield component(
                name, package["version"], f"pkg:npm/{name}@{package['version']}", package.get("license")
            )


def main():
    root, packages = crates()
    known = hashes()
    (program,) = [package for package in packages if package["id"] == root]
    components = [
        component(
            package["name"],
            package["version"],
            f"pkg:cargo/{package['name']}@{package['version']}",
            package["license"],
            known.get((package["name"], package["version"])),
        )
        for package in packages
        if package["id"] != root
    ]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {"type": "application", "name": program["name"], "version": program["version"]}
        },
        "components": [*components, *onnxruntime(), *page()],
    }
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
