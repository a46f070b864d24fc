"""What a reload costs the clients, and whether memory stays, under load at half of the server's capacity.

    python bench/reload.py --bundle A --bundle B [--reloads 11] [--preload libjemalloc.so.2]

Two versions take each other's place; from the move of the alias to two seconds after the swap is a window.
Prints the 99th percentile within the windows and outside of them, every failed request, and resident memory
after each reload. `--preload` puts another allocator in front of the one the binary has.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.running import FolderRegistry, Server  # noqa: E402
from bench.traffic import Traffic, capacity, percentile  # noqa: E402

# After a swap the clients of the old model are still answered by it, and its memory is freed.
AFTER_SWAP_S = 2.0
BETWEEN_S = 3.0
STEADY_S = 20.0


def measure(server: Server, aliases: dict[str, bytes], registry, photos, n_reloads: int, rate: float) -> dict:
    windows, resident, to_swap = [], [], []
    with Traffic(server.url, photos, rate) as traffic:
        time.sleep(STEADY_S)
        started, steady_until = time.monotonic() - STEADY_S, time.monotonic()
        before = server.resident_mib()
        versions = list(aliases)
        for n in range(n_reloads):
            version = versions[(n + 1) % len(versions)]
            moved_at = time.monotonic()
            registry.move(aliases[version])
            assert server.hint() == 202
            swapped_at = server.wait_for(version)
            to_swap.append(swapped_at - moved_at)
            time.sleep(AFTER_SWAP_S)
            windows.append((moved_at, time.monotonic()))
            resident.append(server.resident_mib())
            time.sleep(BETWEEN_S)
    # The first second is the connections' own.
    steady = traffic.seconds(started + 1, steady_until)
    for since, until in [
        *((end, begin) for (_, end), (begin, _) in zip(windows, windows[1:], strict=False)),
    ]:
        steady += traffic.seconds(since, until)
    steady.sort()
    inside = sorted(s for since, until in windows for s in traffic.seconds(since, until))
    return {
        "requests": len(traffic.answered),
        "failed": [str(one.outcome) for one in traffic.failures()],
        "steady_p50_ms": 1e3 * percentile(steady, 0.5),
        "steady_p99_ms": 1e3 * percentile(steady, 0.99),
        "reload_p50_ms": 1e3 * percentile(inside, 0.5),
        "reload_p99_ms": 1e3 * percentile(inside, 0.99),
        "requests_in_windows": len(inside),
        "p99_ratio": percentile(inside, 0.99) / percentile(steady, 0.99),
        "move_to_swap_s": statistics.median(to_swap),
        "resident_before_mib": before,
        "resident_mib": [round(one, 1) for one in resident],
        "growth": resident[-1] / resident[0] - 1,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, action="append", required=True, help="twice")
    parser.add_argument("--photos", type=Path, required=True, help="a folder of photographs")
    parser.add_argument("--reloads", type=int, default=11)
    parser.add_argument("--preload", help="a shared library, such as libjemalloc.so.2")
    parser.add_argument("--env", action="append", default=[], help="NAME=VALUE for the server")
    arguments = parser.parse_args()
    files = sorted(file for file in arguments.photos.rglob("*") if file.suffix in {".jpg", ".jpeg", ".png"})
    photos = [file.read_bytes() for file in files[:: max(1, len(files) // 60)]]
    environment = dict(pair.split("=", 1) for pair in arguments.env)
    if arguments.preload:
        environment["LD_PRELOAD"] = arguments.preload
    with tempfile.TemporaryDirectory() as folder:
        registry = FolderRegistry(arguments.binary.resolve(), Path(folder))
        aliases = {}
        for bundle in arguments.bundle:
            version = registry.publish(bundle.resolve())
            registry.promote(version)
            aliases[version] = registry.alias.read_bytes()
        assert len(aliases) == 2, "two different bundles are needed"
        first = next(iter(aliases))
        registry.move(aliases[first])
        with Server(registry, **environment) as server:
            server.wait_for(first)
            most = capacity(server.url, photos, 8)
            found = measure(server, aliases, registry, photos, arguments.reloads, most / 2)
    found = {"capacity_per_s": most, "preload": arguments.preload or "none", **found}
    print(json.dumps({k: round(v, 3) if isinstance(v, float) else v for k, v in found.items()}, indent=1))


if __name__ == "__main__":
    main()
