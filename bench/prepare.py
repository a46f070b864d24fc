"""What has to be there before anything is measured: binaries, environments, photographs, weights."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parent
ROOT = BENCH.parent
N_SPECIES, PER_CLASS = 8, 12
# Raised when the bundle or Keras's model would come out differently.
REVISION = 1


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def run(*command, **options) -> str:
    """Standard output; the rest is the terminal's. Ends the program when the command fails."""
    words = [str(word) for word in command]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False, **options)
    if done.returncode:
        raise SystemExit(f"this failed with status {done.returncode}: {' '.join(words)}")
    return done.stdout


class Tools:
    """Paths of everything that was prepared."""

    def __init__(self, work: Path, binaries: Path | None, quick: bool):
        self.work = work
        self.quick = quick
        work.mkdir(parents=True, exist_ok=True)
        self.binaries = binaries or self.build()
        self.fishid = self.binaries / "fishid"
        self.photographs = work / "photographs"
        self.bundle = work / f"bundle-{REVISION}"
        self.keras_model = work / f"efficientnet-b4-{REVISION}.keras"
        self.environments = {}

    def build(self) -> Path:
        say("building")
        # The whole workspace, so that parts are built with the features that they have in the tests.
        run("cargo", "build", "--release", "--locked", "--workspace", "--bins", cwd=ROOT)
        return Path(os.environ["CARGO_TARGET_DIR"]) / "release"

    def python(self, requirements: Path) -> Path:
        if requirements not in self.environments:
            folder = run(ROOT / "scripts" / "setup.sh", "python", requirements.resolve())
            self.environments[requirements] = Path(folder.strip()) / "bin" / "python"
        return self.environments[requirements]

    def prepare(self, plans):
        """All that these servers need."""
        say("photographs")
        quick = ["--quick"] if self.quick else []
        run(self.binaries / "bench_photographs", self.photographs, *quick)
        if not self.bundle.exists():
            self.train()
        if any(plan.folder.name == "keras" for plan in plans) and not self.keras_model.exists():
            self.convert()
        for plan in plans:
            if not plan.is_fishid:
                self.python(plan.folder / "requirements.txt")

    def train(self):
        say("the bundle: tf-efficientnet-b4 at 380 px on random weights, on drawn fish (minutes, once)")
        fish, trained = self.work / "fish", self.work / "trained"
        shutil.rmtree(trained, ignore_errors=True)
        drawn = ["--species", N_SPECIES, "--per-class", PER_CLASS, "--seed", 5]
        run(self.fishid, "data", "synth", fish, *drawn)
        network = ["--backbone", "tf-efficientnet-b4", "--weights", "random:0"]
        run(self.fishid, "train", "--data", fish, "--out", trained, *network)
        say(run(sys.executable, BENCH / "steady_head.py", trained, fish, self.bundle).strip())

    def convert(self):
        say("the same weights for Keras")
        weights, part = self.work / "weights.npz", self.work / "part.keras"
        run(sys.executable, BENCH / "graph_weights.py", self.bundle, weights)
        python = self.python(BENCH / "peers" / "keras" / "requirements.txt")
        run(python, BENCH / "peers" / "keras" / "convert.py", weights, 380, part)
        part.rename(self.keras_model)
