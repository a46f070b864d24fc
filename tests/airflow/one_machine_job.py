"""Takes the arguments of spark_jobs/train_fish_model.py and does all of it on one machine, by the program.

For tests that are about everything around the job.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

parser = argparse.ArgumentParser()
for name in ("data", "registry", "model", "backbone", "weights", "views", "epochs", "seed"):
    parser.add_argument(f"--{name}", required=name != "weights")
parser.add_argument("--executors", type=int, required=True)
parser.add_argument("--work", required=True)
parser.add_argument("--force", action="store_true")
parser.add_argument("--report", required=True)
given = parser.parse_args()

line = [os.environ["PROGRAM"], "pipeline", "run", "--json"]
for name in ("data", "registry", "model", "backbone", "weights", "seed"):
    line += [f"--{name}", getattr(given, name)] if getattr(given, name) else []
line += ["--force"] * given.force
done = subprocess.run(line, stdout=subprocess.PIPE, text=True, check=False)
if done.returncode != 0:
    sys.exit(done.returncode)
result = json.loads(done.stdout)
kept = ("version", "promoted", "verdict", "promote_by_hand", "demonstration", "bundle")
report = Path("report.json")
report.write_text(json.dumps({name: result.get(name) for name in kept}))
place, _, name = given.report.rpartition("/")
folder = Path("to-bring")
folder.mkdir(exist_ok=True)
report.rename(folder / name)
sys.exit(subprocess.run([os.environ["PROGRAM"], "data", "upload", folder, place], check=False).returncode)
