#!/usr/bin/env python3
"""Answers one question of the shell scripts beside it about a JSON document on standard input.

`read_json.py QUESTION [ARGUMENT…]`; prints nothing where the document has no answer, and ends with 1 where it
is another document than was expected.
"""

import json
import sys


def output(document, name, key=None):
    """A value among Terraform's outputs, or a field of it; what is no text is printed as JSON."""
    value = document[name]["value"]
    return value if key is None else value[key]


def missing_outputs(document, *names):
    return " ".join(name for name in names if name not in document)


def deletions(document):
    """What a plan deletes or replaces."""
    changes = document.get("resource_changes", [])
    return " ".join(change["address"] for change in changes if "delete" in change["change"]["actions"])


def terraform_version(document):
    return document["terraform_version"]


def load_balancer(document):
    """The address that a service's load balancer got."""
    for service in document["items"]:
        for ingress in service.get("status", {}).get("loadBalancer", {}).get("ingress", []):
            return ingress.get("ip") or ingress.get("hostname")
    return ""


def node_port(document):
    for service in document["items"]:
        for port in service["spec"].get("ports", []):
            if port.get("nodePort"):
                return str(port["nodePort"])
    return ""


def is_there(document):
    return "yes" if document["items"] else ""


def node(document):
    """A node's address: one on the internet where there is one."""
    for kind in ("ExternalIP", "InternalIP"):
        for machine in document["items"]:
            for address in machine["status"].get("addresses", []):
                if address["type"] == kind:
                    return address["address"]
    return ""


def nodes_ready(document):
    """`READY TOTAL`."""
    states = [
        any(c["type"] == "Ready" and c["status"] == "True" for c in machine["status"].get("conditions", []))
        for machine in document["items"]
    ]
    return f"{sum(states)} {len(states)}"


def replicas(document):
    """`READY WANTED`."""
    return f"{document.get('status', {}).get('readyReplicas', 0)} {document['spec'].get('replicas', 0)}"


def running(document):
    """How many pods have every container running."""
    return str(
        sum(
            bool(states) and all("running" in state["state"] for state in states)
            for states in (pod.get("status", {}).get("containerStatuses", []) for pod in document["items"])
        )
    )


def service_state(document):
    """State and health of a managed service."""
    return f"{document.get('status', '?')} {document.get('health', '')}".strip()


QUESTIONS = (
    output,
    missing_outputs,
    deletions,
    terraform_version,
    load_balancer,
    node_port,
    is_there,
    node,
    nodes_ready,
    replicas,
    running,
    service_state,
)


def main():
    question, *arguments = sys.argv[1:]
    ask = {function.__name__: function for function in QUESTIONS}[question]
    try:
        answer = ask(json.load(sys.stdin), *arguments)
    except (ValueError, KeyError, TypeError) as error:
        sys.exit(f"read_json: {question}: not the document that was expected ({error!r})")
    print(answer if isinstance(answer, str) else json.dumps(answer))


if __name__ == "__main__":
    main()
