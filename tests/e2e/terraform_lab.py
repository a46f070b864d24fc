"""Terraform with the real provider's schema and a token that is worth nothing: no cloud is asked."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "terraform"
# The least that a person has to say.
LEAST = {
    "cloud_id": "b1gaaaaaaaaaaaaaaaaa",
    "folder_id": "b1gbbbbbbbbbbbbbbbbb",
    "admin_cidrs": ["203.0.113.7/32"],
}


class TerraformLab:
    """A copy of terraform/, initialised from the mirror that the set-up made."""

    def __init__(self, folder):
        self.program = os.environ.get("FISHID_TERRAFORM")
        self.config = os.environ.get("FISHID_TERRAFORM_CONFIG")
        if not self.program or not self.config:
            pytest.skip(
                "FISHID_TERRAFORM is not set: scripts/setup.sh test builds the provider where there is Go"
            )
        self.folder = folder / "terraform"
        leave = shutil.ignore_patterns(".terraform*", "terraform.tfvars", "*.tfstate*")
        shutil.copytree(SOURCE, self.folder, ignore=leave)
        self.run("init", "-backend=false", "-input=false")

    def run(self, *arguments, status=0):
        # A proxy that nobody listens on: whatever asked the network would fail here as it would elsewhere.
        shut = {"HTTPS_PROXY": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1"}
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        own = {"TF_CLI_CONFIG_FILE": self.config, "TF_IN_AUTOMATION": "1", "YC_TOKEN": "worth-nothing"}
        done = subprocess.run(
            [self.program, *arguments],
            cwd=self.folder,
            env=kept | shut | own,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=180,
        )
        assert done.returncode == status, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def plan(self, **values):
        """The plan as Terraform's own JSON."""
        given = self.folder / "given.tfvars.json"
        given.write_text(json.dumps(LEAST | values))
        self.run("plan", "-input=false", "-no-color", f"-var-file={given}", "-out=plan")
        shown = self.run("show", "-json", "plan")
        return Plan(json.loads(shown))

    def refusal(self, **values):
        """What Terraform says to values that it does not take, in one line."""
        given = self.folder / "given.tfvars.json"
        given.write_text(json.dumps(LEAST | values))
        said = self.run("plan", "-input=false", "-no-color", f"-var-file={given}", status=1)
        return " ".join(said.replace("│", " ").split())


class Plan:
    """What would be made, by type."""

    def __init__(self, document):
        self.document = document
        self.made = {
            change["address"]: change["change"]["after"]
            for change in document["resource_changes"]
            if change["change"]["actions"] == ["create"]
        }

    def of(self, kind):
        of_kind = re.compile(rf"(^|\.){re.escape(kind)}[.\[]|(^|\.){re.escape(kind)}$")
        return {address: after for address, after in self.made.items() if of_kind.search(address)}

    def one(self, kind):
        (only,) = self.of(kind).values()
        return only
