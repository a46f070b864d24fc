"""Compares `fishid serve` with what else one would build for this job: same photographs, same weights.

`make bench`, or `python bench/serving.py` (with bench/requirements.txt). One server at a time, all of them
in turn, then all of them again. `--only fishid,openvino` chooses, `--quick` shortens; `--binaries FOLDER`
takes binaries built before. Writes bench/results/serving.json; the tables and plots of docs/PERFORMANCE.md
come from that file (bench/report.py).
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

BENCH = Path(__file__).parent
sys.path.insert(0, str(BENCH / "peers" / "shared"))

from prepare import ROOT, Tools, run, say  # noqa: E402
from servers import BARE, PLANS, Running, fetch  # noqa: E402

BOUNDS_MS = (250, 1000)
# Of what eight waiting clients got.
OVERLOAD = 3


class Bench:
    def __init__(self, arguments):
        self.quick = arguments.quick
        chosen = arguments.only.split(",") if arguments.only else [plan.name for plan in PLANS]
        unknown = set(chosen) - {plan.name for plan in PLANS}
        if unknown:
            raise SystemExit(f"no such server: {', '.join(sorted(unknown))}")
        self.plans = [plan for plan in PLANS if plan.name in chosen]
        self.rounds = arguments.rounds or (1 if self.quick else 2)
        self.seconds = arguments.seconds or (3 if self.quick else 8)
        self.tools = Tools(Path(arguments.work), arguments.binaries, self.quick)
        self.sets = ["1mp"] if self.quick else ["1mp", "12mp"]
        self.seed = 0
        real = os.environ.get("FISHID_TEST_DATA")
        self.real = Path(real) / "fishcam" if real else None

    def run(self) -> dict:
        self.tools.prepare(self.plans)
        if any(plan.is_fishid for plan in self.plans):
            self.tune()
        say("what the reference answers")
        # Here, because it loads OpenVINO, which whoever only drives one server need not have.
        from agreement import Reference

        self.reference = Reference(self.tools)
        results = {
            "machine": machine(),
            "when": time.strftime("%Y-%m-%d"),
            "commit": commit(),
            "quick": self.quick,
            "seconds": self.seconds,
            "spread_of_answers": self.reference.spread,
            "matrix_rate": json.loads(run(sys.executable, BENCH / "matrix_rate.py", self.seconds / 2)),
            "stage_costs": json.loads(self.stage_costs()),
            "generator_limit": self.generator_limit(),
            "load_before": os.getloadavg()[0],
            "servers": {
                plan.name: {"title": plan.title, "settings": plan.settings, "rounds": []}
                for plan in self.plans
            },
        }
        for number in range(self.rounds):
            for plan in self.plans:
                say(f"round {number + 1} of {self.rounds}: {plan.title}")
                server = Running(plan, self.tools, self.tools.work / f"{plan.name}.log")
                try:
                    outcome = self.measure(server, is_last=number == self.rounds - 1)
                finally:
                    server.stop()
                results["servers"][plan.name]["rounds"].append(outcome)
        results["load_after"] = os.getloadavg()[0]
        return results

    def tune(self):
        """What a user would do once on a new machine, where this build can."""
        known = subprocess.run([self.tools.fishid, "tune", "--help"], capture_output=True, check=False)
        if known.returncode == 0:
            say("fishid tune")
            say(run(self.tools.fishid, "tune", self.tools.bundle).strip())

    def stage_costs(self) -> str:
        say("decoding and inference, each alone")
        return run(
            self.tools.binaries / "stage_costs", self.tools.bundle, self.tools.photographs, self.seconds / 4
        )

    def generator_limit(self) -> dict:
        """Cache hits per second where the server does nothing."""
        say("the load generator's own limit")
        server = Running(BARE, self.tools, self.tools.work / "bare.log")
        try:
            return self.load(
                server, "100kb", "closed", "--clients", 8, "--seconds", self.seconds / 2, same=True
            )
        finally:
            server.stop()

    def load(self, server, folder, *mode, same: bool = False) -> dict:
        """One phase of the load generator, with what the server spent meanwhile."""
        self.seed += 1
        folder = folder if isinstance(folder, Path) else self.tools.photographs / folder
        where = ["--host", server.host, "--photographs", folder, "--seed", self.seed]
        before = server.processor_seconds()
        command = [self.tools.binaries / "load_generator", *where, *(["--same"] if same else []), *mode]
        outcome = json.loads(run(*command))
        outcome["server_processor_seconds"] = server.processor_seconds() - before
        return outcome

    def measure(self, server, is_last: bool) -> dict:
        plan = server.plan
        outcome = {"cold_start_s": server.cold_start_s, "memory_at_start_mib": server.memory_mib()}
        outcome["difference"] = self.reference.compare(server)
        if plan.is_fishid:
            outcome["engine"] = json.loads(fetch(server.host, "/model")[1])
        for folder in self.sets:
            self.load(server, folder, "closed", "--clients", 2, "--seconds", max(1.0, self.seconds / 4))
        outcome["closed"] = {}
        for folder in self.sets:
            for clients in (1, 8):
                before = phases(server)
                phase = self.load(server, folder, "closed", "--clients", clients, "--seconds", self.seconds)
                phase["phases_ms"] = between(before, phases(server))
                outcome["closed"][f"{folder}/{clients}"] = phase
                expect_clean(plan, f"{folder}, {clients} clients", phase)
        if self.real and not self.quick:
            phase = self.load(server, self.real, "closed", "--clients", 1, "--seconds", self.seconds / 2)
            outcome["closed"]["real/1"] = phase
        if plan.caches:
            hits = ("closed", "--clients", 8, "--seconds", self.seconds / 2)
            self.load(server, "100kb", "closed", "--clients", 1, "--seconds", 0.2, same=True)
            outcome["hits"] = self.load(server, "100kb", *hits, same=True)
            expect_clean(plan, "cache hits", outcome["hits"])
        outcome["memory_mib"] = server.memory_mib()
        if plan.is_fishid:
            outcome["overload"] = self.overload(server, outcome["closed"]["1mp/8"])
        if is_last and plan.searches:
            outcome["search"] = self.search(server, outcome["closed"]["1mp/8"])
        return outcome

    def overload(self, server, closed: dict) -> dict:
        """Arrivals at random, three times as many as the server answered: what it makes of them."""
        capacity = closed["photographs_per_second"]
        mode = ["open", "--whatever", "--rate", f"{OVERLOAD * capacity:.3f}", "--seconds", 4 * self.seconds]
        before = server.memory_mib()["resident"]
        phase = self.load(server, "1mp", *mode)
        unexpected = set(phase["failures"]) - {"status 503", "status 504"}
        if unexpected:
            raise SystemExit(f"{server.plan.title}: overload: {phase['failures']}")
        memory = {"before": before, "after": server.memory_mib()["resident"]}
        return {"capacity": capacity, "memory_mib": memory, **phase}

    def search(self, server, closed: dict) -> list:
        """Rates are sought up to a little more than what eight waiting clients got."""
        highest = 1.1 * closed["photographs_per_second"]
        common = ["--highest", f"{highest:.3f}", "--seconds", self.seconds, "--tries", 4 if self.quick else 6]
        return [self.load(server, "1mp", "search", "--bound-ms", bound, *common) for bound in BOUNDS_MS]


def expect_clean(plan, what: str, phase: dict):
    if phase["n_failed"] or not phase["n_answered"]:
        raise SystemExit(f"{plan.title}: {what}: {phase['failures'] or 'no answer'}")


def phases(server) -> dict:
    """Sums and counts of fishid's own clocks: seconds and photographs by phase."""
    if not server.plan.is_fishid:
        return {}
    found = {}
    for line in fetch(server.host, "/metrics")[1].decode().splitlines():
        for name in ("fishid_phase_duration_seconds", "fishid_http_request_duration_seconds"):
            for part in ("_sum{", "_count{"):
                if line.startswith(name + part):
                    label, _, value = line[len(name + part) :].rpartition("} ")
                    found[label.replace('"', ""), part[1:-1]] = float(value)
    return found


def between(before: dict, after: dict) -> dict:
    """Milliseconds per photograph of each phase."""
    means = {}
    for label, part in after:
        if part == "sum":
            n = after[label, "count"] - before.get((label, "count"), 0)
            spent = after[label, "sum"] - before.get((label, "sum"), 0)
            if n:
                means[label] = 1e3 * spent / n
    return means


def machine() -> dict:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next(
        (line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine()
    )
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    features = [
        name for name in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16") if name in flags
    ]
    return {
        "processor": model,
        "features": features,
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.release(),
    }


def commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    cache = os.environ.get("FISHID_CACHE", str(Path.home() / ".cache" / "fishid"))
    parser.add_argument(
        "--only", help="servers, separated by commas: " + ",".join(plan.name for plan in PLANS)
    )
    parser.add_argument("--quick", action="store_true", help="one short round with small photographs")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="of each phase")
    parser.add_argument(
        "--binaries", type=Path, help="a folder with fishid and the programs of bench/, built before"
    )
    parser.add_argument("--work", default=f"{cache}/bench", help="photographs, weights and logs")
    parser.add_argument("--out", type=Path, default=BENCH / "results" / "serving.json")
    arguments = parser.parse_args()
    started = time.monotonic()
    results = Bench(arguments).run()
    results["minutes"] = round((time.monotonic() - started) / 60, 1)
    arguments.out.parent.mkdir(exist_ok=True)
    arguments.out.write_text(json.dumps(results, indent=1) + "\n")
    say(f"written: {arguments.out} after {results['minutes']} minutes")


if __name__ == "__main__":
    main()
