#!/usr/bin/env python3
"""What a month of each size in terraform/sizes costs, with the prices of config/cloud_prices.toml.

`scripts/cloud_cost.py` prints the table of docs/DEPLOYMENT_AUTO.md; `--prices FILE` takes other prices,
`--bucket-gb`, `--logs-gb`, `--traffic-gb` and `--trainings` another use.
"""

import argparse
import pathlib
import re
import tomllib

ROOT = pathlib.Path(__file__).parents[1]
SIZES = ("small", "medium", "large")
# Disk of a node (terraform/modules/kubernetes), disks of Prometheus, Grafana and Redis.
NODE_DISK_GB = 64
CLUSTER_DISKS_GB = 40
LOCKBOX_SECRETS = 6
# The page, Grafana and MLflow.
LOAD_BALANCERS = 3
# docs/AIRFLOW.md: one master and four hosts, each for as long as a training lasts.
TRAINING_VCPUS = 2 + 4 * 8
TRAINING_MEMORY_GB = 8 + 4 * 32


def size(name):
    """The values of one size, as Terraform reads them."""
    text = (ROOT / "terraform" / "sizes" / f"{name}.tfvars").read_text()
    values = {}
    for key, value in re.findall(r"(?m)^(\w+)\s*=\s*(\S+)$", text):
        values[key] = {"true": True, "false": False}.get(value, value.strip('"'))
    return values


def preset(text):
    """vCPUs and gigabytes of a preset such as s3-c2-m8."""
    cores, memory = re.search(r"c(\d+)-m(\d+)$", text).groups()
    return int(cores), int(memory)


def month(values, prices, use):
    """Roubles by part, with the fewest nodes, and what every node more adds."""
    hours = prices["hours_per_month"]
    hour, per_month, per_gb = prices["per_hour"], prices["per_month"], prices["per_gb"]
    kind = "_preemptible" if values["nodes_preemptible"] else ""
    node = (
        int(values["node_cores"]) * hour[f"node_vcpu{kind}"]
        + int(values["node_memory_gb"]) * hour[f"node_memory_gb{kind}"]
    ) * hours + NODE_DISK_GB * per_month["ssd_gb"]
    cores, memory = preset(values["postgres_preset"])
    postgres_host = (cores * hour["postgres_vcpu"] + memory * hour["postgres_memory_gb"]) * hours
    postgres_host += int(values["postgres_disk_gb"]) * per_month["ssd_gb"]
    cores, memory = preset(values["airflow_preset"])
    # Web server, scheduler, one worker.
    airflow = 3 * (cores * hour["airflow_vcpu"] + memory * hour["airflow_memory_gb"]) * hours
    training = TRAINING_VCPUS * hour["training_vcpu"] + TRAINING_MEMORY_GB * hour["training_memory_gb"]
    parts = {
        "nodes": int(values["nodes_min"]) * node,
        "master": hour["kubernetes_master"] * hours,
        "postgres": int(values["postgres_hosts"]) * postgres_host,
        "airflow": airflow,
        "network": LOAD_BALANCERS * (hour["load_balancer"] + hour["public_address"]) * hours
        + per_month["nat_gateway"]
        + use.traffic_gb * per_gb["traffic_out"],
        "storage": use.bucket_gb * per_month["bucket_gb"]
        + CLUSTER_DISKS_GB * per_month["ssd_gb"]
        + per_month["kms_key_version"]
        + LOCKBOX_SECRETS * per_month["lockbox_secret_version"],
        "logs": use.logs_gb * per_gb["logs_written"],
        "training": use.trainings * use.training_hours * training,
    }
    return parts, node


def table(prices, use):
    """Markdown, rounded to ten roubles."""
    columns = [month(size(name), prices, use) for name in SIZES]
    lines = ["| roubles a month | " + " | ".join(SIZES) + " |", "|---|" + "---:|" * len(SIZES)]
    for part in columns[0][0]:
        lines.append(f"| {part} | " + " | ".join(rounded(parts[part]) for parts, _ in columns) + " |")
    lines.append("| **sum** | " + " | ".join(f"**{rounded(sum(p.values()))}**" for p, _ in columns) + " |")
    lines.append("| each node more | " + " | ".join(rounded(node) for _, node in columns) + " |")
    return "\n".join(lines)


def rounded(roubles):
    return f"{round(roubles, -1):.0f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prices", type=pathlib.Path, default=ROOT / "config" / "cloud_prices.toml")
    parser.add_argument("--bucket-gb", type=float, default=50)
    parser.add_argument("--logs-gb", type=float, default=10)
    parser.add_argument("--traffic-gb", type=float, default=100)
    parser.add_argument("--trainings", type=float, default=4, help="a month")
    parser.add_argument("--training-hours", type=float, default=1)
    use = parser.parse_args()
    print(table(tomllib.loads(use.prices.read_text()), use))


if __name__ == "__main__":
    main()
