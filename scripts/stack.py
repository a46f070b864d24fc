#!/usr/bin/env python3
"""Starts and stops PostgreSQL, S3, MLflow, Redis and `fishid serve` on this machine, without containers.

    scripts/stack.py up        # `make up`
    scripts/stack.py status    # `make status-local`
    scripts/stack.py down      # `make down`; the data stay

What it keeps lies in $FISHID_HOME/stack. Prerequisites: scripts/setup.sh stack, and a built binary.
"""

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from stack import LocalStack, Settings, StackError  # noqa: E402
from stack.fishid_server import default_binary  # noqa: E402

PORTS = {"postgres": 5433, "s3": 7070, "mlflow": 5000, "redis": 6380, "fishid": 8080}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0], formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["up", "down", "status"], help="what to do")
    data_home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share"
    home = Path(os.environ.get("FISHID_HOME") or Path(data_home, "fishid"))
    parser.add_argument("--home", type=Path, default=home, help="default $FISHID_HOME, or %(default)s")
    parser.add_argument("--json", action="store_true", help="print the state as JSON")
    parser.add_argument("--binary", default=default_binary(), help="the fishid program")
    parser.add_argument(
        "--python",
        default=os.environ.get("FISHID_STACK_PYTHON") or sys.executable,
        help="a Python with stack/requirements.txt; default $FISHID_STACK_PYTHON",
    )
    for name, port in PORTS.items():
        parser.add_argument(f"--{name}-port", type=int, help=f"default the last one, or {port}; 0: any")
    parser.add_argument("--delete-data", action="store_true", help="with down: remove what was kept, too")
    return parser.parse_args()


def print_status(stack: LocalStack, as_json: bool) -> bool:
    rows = stack.status()
    if as_json:
        print(json.dumps(rows))
    else:
        for row in rows:
            print(f"{stack.services[row['service']].title:14}{row['state']:9}{row['address']}")
        print(f"{'':14}{'logs':9}{stack.folder / 'logs'}")
    return all(row["state"] == "running" for row in rows)


def print_addresses(stack: LocalStack) -> None:
    postgres, s3, mlflow, redis, fishid = (
        stack.services[name] for name in ("postgres", "s3", "mlflow", "redis", "fishid")
    )
    for title, address in (
        ("page and API", fishid.address),
        ("MLflow", mlflow.address),
        ("S3", f"{s3.address}  buckets data and mlflow; keys in {s3.keys_file}"),
        (
            "PostgreSQL",
            f"{postgres.address}  database mlflow, user mlflow; password in {postgres.password_file}",
        ),
        ("Redis", f"{redis.address}  password in {redis.settings_file}"),
        ("registry", stack.registry),
        ("logs", stack.folder / "logs"),
    ):
        print(f"{title:14}{address}")
    program = "fishid" if shutil.which("fishid") else fishid.binary
    if not fishid.has_model():
        print("\nNothing is in production yet, so the page answers 503. To train and promote a first model:")
        print(f"  {program} pipeline run --data PHOTOGRAPHS --registry {stack.registry}")
    print("\nPhotographs in the bucket:")
    print(f"  set -a; . {s3.keys_file}; set +a")
    print(f"  {program} pipeline run --data s3://data/PREFIX --registry {stack.registry}")
    print("\nTo end all of it: make down")


def main() -> int:
    options = arguments()
    ports = {name: getattr(options, f"{name}_port") for name in PORTS}
    ports = {name: port for name, port in ports.items() if port is not None}
    stack = LocalStack(options.home, Settings(ports=ports, python=options.python, binary=options.binary))

    def say(line: str) -> None:
        print(f"stack: {line}", file=sys.stderr, flush=True)

    try:
        if options.what == "up":
            stack.up(say)
            print_status(stack, True) if options.json else print_addresses(stack)
        elif options.what == "down":
            stack.down(say, options.delete_data)
        else:
            return 0 if print_status(stack, options.json) else 1
    except StackError as error:
        print(f"stack: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
