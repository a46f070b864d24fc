#!/usr/bin/env python3
"""Stands for yc, kubectl, terraform, docker and helm on the PATH: records its calls and plays the cloud.

The folder STUB_CLOUD holds `calls.jsonl`, what was made (`made.json`), and what shall go wrong (`wrong.json`:
a list of [words of the command, status]).
"""

import fcntl
import json
import os
import sys
from pathlib import Path

CLOUD = Path(os.environ["STUB_CLOUD"])
FOLDER = "b1gbbbbbbbbbbbbbbbbb"
OUTPUTS = {
    "bucket": "fishid-photos",
    "registry": "cr.yandex/crp1",
    "k8s_cluster_id": "cat1",
    "postgres_cluster_id": "c9q1",
    "airflow_cluster_id": "afl1",
    "airflow_url": "https://c-afl1.airflow.yandexcloud.net",
    "postgres_host": "c-c9q1.rw.mdb.yandexcloud.net",
    "log_group_id": "e231",
    "secret_ids": {"redis": "e6qredis", "postgres-mlflow": "e6qmlflow", "bucket": "e6qbucket"},
    "service_account_ids": {"secrets": "ajesecrets"},
    "training": {"folder_id": FOLDER, "bucket": "fishid-photos"},
}


class Made:
    """What lasts from call to call."""

    def __init__(self):
        self.file = CLOUD / "made.json"
        self.things = json.loads(self.file.read_text()) if self.file.exists() else {}

    def __getitem__(self, name):
        return self.things.get(name)

    def __setitem__(self, name, value):
        self.things[name] = value
        self.file.write_text(json.dumps(self.things))


def say(document):
    print(document if isinstance(document, str) else json.dumps(document))
    return 0


def terraform(words, made):
    words = [word for word in words if not word.startswith("-chdir=")]
    if words[0] == "version":
        return say({"terraform_version": made["terraform_version"] or "1.5.7"})
    if words[0] == "init":
        Path("terraform/.terraform").mkdir(exist_ok=True)
    if words[0] == "plan":
        return 0 if made["infrastructure"] else 2
    if words[0] == "show":
        actions = ["delete", "create"] if made["replaces"] else ["create"]
        return say(
            {"resource_changes": [{"address": "module.postgresql.db", "change": {"actions": actions}}]}
        )
    if words[0] == "apply":
        made["infrastructure"] = True
    if words[0] == "destroy":
        made["infrastructure"] = False
    if words[0] == "output":
        there = OUTPUTS if made["infrastructure"] else {}
        return say({name: {"value": value} for name, value in there.items()})
    if words[:2] == ["state", "list"]:
        return say("\n".join(made["state"] or []))
    return 0


def yc(words, made):
    if words == ["iam", "create-token"]:
        return say("t1.token")
    if words[:3] == ["iam", "key", "create"]:
        Path(words[words.index("--output") + 1]).write_text("{}")
    if words[:2] == ["managed-kubernetes", "cluster"] and words[2] == "get":
        return say({"status": "RUNNING", "health": "HEALTHY"})
    if words[1:3] == ["cluster", "get"]:
        return say({"status": made[f"{words[0]} status"] or "RUNNING", "health": "ALIVE"})
    if words[:3] == ["storage", "s3api", "list-objects"]:
        return say({"contents": [{"key": "datasets/fish/1.jpg"}]} if made["photographs"] else {})
    return 0


def kubectl(words, made):
    if words[0] == "kustomize":
        return say((Path(words[1]) / "kustomization.yaml").read_text())
    words = words[2:]
    if words[:1] == ["apply"] and "--filename" in words:
        made["namespace"] = True
    namespaced = words[2:] if words[:1] == ["--namespace"] else words
    if namespaced[:3] == ["create", "secret", "generic"]:
        made["key"] = Path(namespaced[-1].split("=")[-1]).read_text()
    if namespaced[:3] == ["get", "secret", "lockbox-key"]:
        return 0 if made["key"] else 1
    if namespaced[:2] == ["get", "namespace"]:
        return 0 if made["namespace"] else 1
    if namespaced[:2] == ["get", "crd"]:
        return 0 if namespaced[2].split(".")[0] in (made["crds"] or []) else 1
    if namespaced[:2] == ["get", "pods"]:
        state = "running" if made["pods run"] else "waiting"
        return say({"items": [{"status": {"containerStatuses": [{"state": {state: {}}}]}}]})
    if namespaced[:2] == ["get", "service"]:
        name = namespaced[namespaced.index("--field-selector") + 1].split("=")[1]
        return say({"items": [service for service in [(made["services"] or {}).get(name)] if service]})
    if namespaced[:2] == ["get", "nodes"]:
        addresses = [{"type": "Hostname", "address": "n"}, {"type": "InternalIP", "address": "10.12.0.3"}]
        ready = [{"type": "Ready", "status": "True"}]
        return say({"items": [{"status": {"addresses": addresses, "conditions": ready}}]})
    if namespaced[:1] == ["get"] and "/" in namespaced[1]:
        ready = (made["ready"] or {}).get(namespaced[1], 2)
        return say({"spec": {"replicas": 2}, "status": {"readyReplicas": ready}})
    return 0


def docker(words, made):
    if words[0] == "push":
        made["images"] = [*(made["images"] or []), words[1]]
    if words[:2] == ["manifest", "inspect"]:
        return 0 if words[2] in (made["images"] or []) else 1
    return 0


def helm(words, made):
    made["crds"] = [*(made["crds"] or []), "externalsecrets"]
    return 0


def main():
    name, words = Path(sys.argv[0]).name, sys.argv[1:]
    with (CLOUD / "calls.jsonl").open("a") as calls:
        fcntl.flock(calls, fcntl.LOCK_EX)
        calls.write(json.dumps([name, *words]) + "\n")
    wrong = CLOUD / "wrong.json"
    for pattern, status in json.loads(wrong.read_text()) if wrong.exists() else []:
        if pattern in " ".join([name, *words]):
            print(f"{name}: no", file=sys.stderr)
            return status
    play = {"terraform": terraform, "yc": yc, "kubectl": kubectl, "docker": docker, "helm": helm}[name]
    return play(words, Made())


if __name__ == "__main__":
    sys.exit(main())
