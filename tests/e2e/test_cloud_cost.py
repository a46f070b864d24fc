"""The estimate of docs/DEPLOYMENT_AUTO.md is what scripts/cloud_cost.py prints; its sizes are Terraform's."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from terraform_lab import TerraformLab

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "scripts" / "cloud_cost.py"


def printed(*arguments):
    done = subprocess.run([sys.executable, PROGRAM, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def row(table, name):
    (line,) = [line for line in table.splitlines() if line.startswith(f"| {name} ")]
    return [float(cell.strip("* ")) for cell in line.split("|")[2:-1]]


def test_documented_estimate_is_the_one_that_is_reckoned():
    assert printed() in (ROOT / "docs" / "DEPLOYMENT_AUTO.md").read_text()


def test_sum_is_that_of_its_parts():
    table = printed()
    parts = [row(table, name) for name in ("nodes", "master", "postgres", "airflow", "network", "storage")]
    parts += [row(table, "logs"), row(table, "training")]
    for total, *of_size in zip(row(table, "**sum**"), *parts, strict=True):
        assert abs(total - sum(of_size)) <= 5 * len(parts)


def test_prices_and_use_are_parameters(tmp_path):
    prices = (ROOT / "config" / "cloud_prices.toml").read_text()
    dearer = tmp_path / "prices.toml"
    dearer.write_text(prices.replace("node_vcpu = ", "node_vcpu = 1"))
    assert tomllib.loads(dearer.read_text())["per_hour"]["node_vcpu"] > 10
    assert row(printed("--prices", str(dearer)), "nodes")[1] > 2 * row(printed(), "nodes")[1]
    assert row(printed("--trainings", "0"), "training") == [0, 0, 0]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return TerraformLab(tmp_path_factory.mktemp("sizes"))


@pytest.mark.parametrize(("size", "nodes_min"), [("small", 1), ("medium", 3), ("large", 3)])
def test_terraform_takes_each_size(lab, size, nodes_min):
    said = lab.run(
        "plan",
        "-input=false",
        "-no-color",
        f"-var-file=sizes/{size}.tfvars",
        "-var=cloud_id=b1gaaaaaaaaaaaaaaaaa",
        "-var=folder_id=b1gbbbbbbbbbbbbbbbbb",
        '-var=admin_cidrs=["203.0.113.7/32"]',
    )
    assert f"+ min     = {nodes_min}" in said


def test_medium_is_the_default():
    given = (ROOT / "terraform" / "sizes" / "medium.tfvars").read_text()
    sizes = (ROOT / "terraform" / "variables_sizes.tf").read_text()
    for line in given.splitlines():
        if "=" in line and not line.startswith("#"):
            name, value = (part.strip() for part in line.split("=", 1))
            block = sizes.split(f'variable "{name}"')[1].split("\nvariable ")[0]
            assert f"default     = {value}\n" in block, name
