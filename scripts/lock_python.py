#!/usr/bin/env python3
"""Writes a requirements file with every package's version and hash, from a list of what is wanted.

`scripts/lock_python.py tests/policy checkov==3.3.30` renews tests/policy/requirements.txt, and keeps the
comment at its top. It is for the platform that it runs on: CPython 3.11 on x86-64 Linux.
"""

import json
import pathlib
import subprocess
import sys


def resolved(wanted):
    """(name, version, hashes) of everything that pip would install, nothing being installed."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
    report = subprocess.run([*pip, "--report", "-", *wanted], check=True, stdout=subprocess.PIPE).stdout
    for package in json.loads(report)["install"]:
        archive = package["download_info"]["archive_info"]
        yield package["metadata"]["name"], package["metadata"]["version"], archive["hashes"]["sha256"]


def main():
    folder, *wanted = sys.argv[1:]
    if not wanted:
        sys.exit("usage: scripts/lock_python.py FOLDER PACKAGE==VERSION…")
    target = pathlib.Path(folder, "requirements.txt")
    comment = []
    if target.exists():
        for line in target.read_text().splitlines():
            if not line.startswith("#"):
                break
            comment.append(line)
    lines = [
        f"{name.lower()}=={version} --hash=sha256:{digest}" for name, version, digest in resolved(wanted)
    ]
    target.write_text("\n".join([*comment, *sorted(lines)]) + "\n")


if __name__ == "__main__":
    main()
