"""Turns bench/results/serving.json into the tables and plots of docs/PERFORMANCE.md.

`python bench/report.py [RESULTS]` (with bench/requirements.txt). Text between the markers of that page is
replaced, and only by a whole run: quick ones and those of a few servers are printed.
"""

import json
import sys
from pathlib import Path
from statistics import mean

from prepare import ROOT
from servers import PLANS

PAGE = ROOT / "docs" / "PERFORMANCE.md"
PLOTS = ROOT / "docs" / "performance"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
# Multiplications and additions of EfficientNet-B4 at 380 × 380.
OPERATIONS = 8.9e9
SIZES = {"1mp": "1 MP", "12mp": "12 MP", "real": "fishcam"}
# From the issue: what is compared, against whom, at least.
P50_AIMS = {
    # The figures stand on `predict`; the function is what someone who looked for speed would write.
    "keras-predict": {"1mp": 3.7, "12mp": 5.2},
    "keras": {"1mp": 3.7, "12mp": 5.2},
    "onnxruntime": {"1mp": 1.6, "12mp": 2.0},
    "openvino": {"1mp": 1.05, "12mp": 1.15},
}


class Results:
    def __init__(self, path: Path):
        self.all = json.loads(path.read_text())
        self.servers = self.all["servers"]
        self.is_whole = not self.all["quick"] and set(self.servers) == {plan.name for plan in PLANS}

    def rounds(self, name: str) -> list[dict]:
        return self.servers[name]["rounds"]

    def title(self, name: str) -> str:
        return self.servers[name]["title"]

    def latency(self, name: str, phase: str, what: str) -> list[float]:
        return [
            one["closed"][phase]["latency_ms"][what] for one in self.rounds(name) if phase in one["closed"]
        ]

    def rate(self, name: str, phase: str) -> list[float]:
        return [
            one["closed"][phase]["photographs_per_second"]
            for one in self.rounds(name)
            if phase in one["closed"]
        ]

    def hits(self, name: str) -> list[float]:
        return [one["hits"]["photographs_per_second"] for one in self.rounds(name) if "hits" in one]

    def sizes(self) -> list[str]:
        first = self.rounds(next(iter(self.servers)))[0]["closed"]
        return [size for size in SIZES if f"{size}/1" in first]


def number(values: list[float], digits: int = 1) -> str:
    """The mean of the rounds, and what lies between when they differ by more than one in twenty."""
    if not values:
        return "–"
    told = f"{mean(values):.{digits}f}"
    if max(values) > 1.05 * min(values):
        told += f" ({min(values):.{digits}f}–{max(values):.{digits}f})"
    return told


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def one_client(results: Results) -> str:
    sizes = results.sizes()
    rows = [
        [
            results.title(name),
            *(
                f"{number(results.latency(name, f'{size}/1', 'p50'))} / "
                f"{number(results.latency(name, f'{size}/1', 'p99'))}"
                for size in sizes
            ),
        ]
        for name in results.servers
    ]
    return table(["1 client: milliseconds, p50 / p99", *(SIZES[size] for size in sizes)], rows)


def eight_clients(results: Results) -> str:
    sizes = [size for size in results.sizes() if size != "real"]
    rows = []
    for name in results.servers:
        row = [results.title(name)]
        for size in sizes:
            row += [
                number(results.rate(name, f"{size}/8")),
                number(results.latency(name, f"{size}/8", "p99"), 0),
            ]
        rows.append(row)
    head = ["8 clients"]
    for size in sizes:
        head += [f"{SIZES[size]}: photographs/s", "p99, ms"]
    return table(head, rows)


def searched(results: Results) -> dict[str, dict[float, float]]:
    found = {}
    for name in results.servers:
        for one in results.rounds(name):
            if "search" in one:
                found[name] = {search["bound_ms"]: search["rate"] for search in one["search"]}
    return found


def open_loop(results: Results) -> str:
    rows = [
        [results.title(name), *(f"{rate:.1f}" if rate else "none" for rate in rates.values())]
        for name, rates in searched(results).items()
    ]
    return table(["Poisson arrivals of 1 MP: highest photographs/s with", "p99 ≤ 250 ms", "p99 ≤ 1 s"], rows)


def overload(results: Results) -> str:
    rows = []
    for names, _ in fishids(results)[:1]:
        for one in results.rounds(names[0]):
            phase = one["overload"]
            n_refused, n_late = (phase["failures"].get(f"status {status}", 0) for status in (503, 504))
            answered = phase["latency_ms"] or {"p50": 0.0, "p99": 0.0}
            memory = phase["memory_mib"]
            rows.append(
                [
                    f"{phase['capacity']:.1f}",
                    f"{(phase['n_answered'] + phase['n_failed']) / phase['seconds']:.1f}",
                    f"{phase['photographs_per_second']:.1f} "
                    f"({phase['photographs_per_second'] / phase['capacity']:.0%})",
                    f"{answered['p50']:.0f} / {answered['p99']:.0f}",
                    str(n_refused),
                    str(n_late),
                    f"{memory['before']:.0f} → {memory['after']:.0f}",
                ]
            )
    head = [
        "three times the capacity of 1 MP, deadline 5 s: capacity/s",
        "offered/s",
        "answered/s",
        "p50 / p99 of the answered, ms",
        "refused at once (503)",
        "accepted and late (504)",
        "resident, MiB",
    ]
    return table(head, rows)


def costs(results: Results) -> str:
    rows = []
    for name in results.servers:
        rounds = results.rounds(name)
        closed = [one["closed"]["1mp/1"] for one in rounds]
        rows.append(
            [
                results.title(name),
                number([one["cold_start_s"] for one in rounds], 2),
                number([one["memory_mib"]["resident"] for one in rounds], 0),
                number([one["memory_mib"]["peak"] for one in rounds], 0),
                number([1e3 * one["server_processor_seconds"] / one["n_answered"] for one in closed], 0),
                number(results.hits(name), 0),
            ]
        )
    limit = results.all["generator_limit"]["photographs_per_second"]
    rows.append(["the generator against a server that looks at nothing", *["–"] * 4, f"{limit:.0f}"])
    head = [
        "what it takes",
        "start to ready, s",
        "resident, MiB",
        "peak, MiB",
        "core-ms per photograph (1 MP, 1 client)",
        "cache hits/s (100 KB, 8 clients)",
    ]
    return table(head, rows)


def agreement(results: Results) -> str:
    rows = [
        [
            results.title(name),
            *(
                f"{max(one['difference'].get(folder, 0.0) for one in results.rounds(name)):.4f}"
                for folder in ("pixels", "1mp", "12mp")
            ),
        ]
        for name in results.servers
    ]
    return table(["largest difference of a probability", "same pixels", "1 MP", "12 MP"], rows)


def ratios(results: Results) -> str:
    """Every aim of the issue with what came out, round by round."""
    rows = []

    def add(what: str, aim: str, values: list[float], is_met: bool):
        rows.append([what, aim, ", ".join(f"{value:.2f}" for value in values), "yes" if is_met else "**no**"])

    def each_round(of, name: str) -> list[float]:
        return [theirs / own for theirs, own in zip(of(name), of("fishid"), strict=True)]

    for name, aims in P50_AIMS.items():
        if name not in results.servers:
            continue
        for size, aim in aims.items():
            if size not in results.sizes():
                continue
            values = each_round(lambda who, size=size: results.latency(who, f"{size}/1", "p50"), name)
            what = f"p50 of {results.title(name)} ÷ fishid's, {SIZES[size]}"
            add(what, f"≥ {aim}", values, mean(values) >= aim)
    others = [name for name in results.servers if name.partition("-")[0] == "openvino"]
    if others:
        for size in [size for size in results.sizes() if size != "real"]:
            best = better(results, others, size)
            for own, which in fishids(results):
                values = [a / b for a, b in zip(better(results, own, size), best, strict=True)]
                what = f"{which} at 8 clients ÷ the better of {results.title(others[0])}, {SIZES[size]}"
                add(what, "≥ 1.3", values, mean(values) >= 1.3)
    if "redis" in results.servers:
        values = [1 / value for value in each_round(results.hits, "redis")]
        limit = results.all["generator_limit"]["photographs_per_second"]
        add(
            "cache hits/s ÷ FastAPI + Redis",
            f"≥ 15, or the generator's limit of {limit:.0f}/s",
            values,
            mean(values) >= 15 or mean(results.hits("fishid")) >= 0.95 * limit,
        )
    if "keras" in results.servers:
        for what, aim, of in (
            ("resident memory ÷ FastAPI + Keras", 0.4, lambda one: one["memory_mib"]["resident"]),
            ("cold start ÷ FastAPI + Keras", 0.2, lambda one: one["cold_start_s"]),
        ):
            values = [
                of(own) / of(theirs)
                for own, theirs in zip(results.rounds("fishid"), results.rounds("keras"), strict=True)
            ]
            add(what, f"≤ {aim}", values, mean(values) <= aim)
    values = [
        one["overload"]["photographs_per_second"] / one["overload"]["capacity"]
        for one in results.rounds("fishid")
    ]
    what = "photographs/s answered of three times the capacity offered ÷ capacity"
    add(what, "≥ 0.85", values, mean(values) >= 0.85)
    for size, bound in saturation(results).items():
        for own, which in fishids(results):
            values = [rate / bound for rate in better(results, own, size)]
            what = f"{which} at 8 clients ÷ (cores ÷ core-ms of decoding and inference), {SIZES[size]}"
            add(what, "≥ 0.9", values, mean(values) >= 0.9)
    return table(["ratio", "aim", "rounds", "reached"], rows)


def fishids(results: Results) -> list[tuple[list[str], str]]:
    """The default plan, and the better of both, which `fishid tune --goal throughput` finds."""
    both = [name for name in results.servers if name.partition("-")[0] == "fishid"]
    plans = [(["fishid"], "photographs/s")]
    return plans + [(both, "photographs/s by the better of 1 and 2 streams")] if len(both) > 1 else plans


def better(results: Results, names: list[str], size: str) -> list[float]:
    """Photographs per second at 8 clients, round by round, of the best among these."""
    return [max(each) for each in zip(*(results.rate(name, f"{size}/8") for name in names), strict=True)]


def saturation(results: Results) -> dict[str, float]:
    """Photographs per second if the cores did nothing but decode and infer, each as cheap as alone."""
    cores = results.all["machine"]["cores"]
    costs = results.all["stage_costs"]
    inference = next(one["core_ms"] for one in costs["inference"] if one["how"] == "as served")
    return {
        one["folder"]: cores * 1e3 / (one["core_ms"] + inference)
        for one in costs["photographs"]
        if one["n_threads"] == cores and f"{one['folder']}/8" in results.rounds("fishid")[0]["closed"]
    }


def where_the_time_goes(results: Results) -> str:
    phases = ["decode", "preprocess", "queue", "inference"]
    rows = []
    for size in [size for size in results.sizes() if size != "real"]:
        for clients in (1, 8):
            means = [one["closed"][f"{size}/{clients}"] for one in results.rounds("fishid")]
            of = [[one["phases_ms"].get(f"phase={phase}", 0.0) for one in means] for phase in phases]
            handled = [
                next((ms for label, ms in one["phases_ms"].items() if "/predict" in label), 0.0)
                for one in means
            ]
            seen = [one["latency_ms"]["mean"] for one in means]
            share = [one["generator_processor_seconds"] / one["seconds"] for one in means]
            rows.append(
                [
                    f"{SIZES[size]}, {clients} clients" if clients > 1 else f"{SIZES[size]}, 1 client",
                    *(f"{mean(values):.1f}" for values in of),
                    f"{mean(handled):.1f}",
                    f"{mean(seen):.1f}",
                    f"{mean(share):.2f}",
                ]
            )
    head = [
        "fishid, mean milliseconds",
        *phases,
        "the server's whole",
        "the client's whole",
        "cores that the generator took",
    ]
    return table(head, rows)


def limits(results: Results) -> str:
    rate = results.all["matrix_rate"]
    rows = [
        [name, f"{rate[name] / 1e9:.0f}", f"{1e3 * OPERATIONS / rate[name]:.1f}"] for name in ("f32", "bf16")
    ]
    costs = results.all["stage_costs"]
    inference = "; ".join(
        f"{one['how']} ({one['engine']}): {one['ms']:.1f} ms, {one['core_ms']:.1f} core-ms"
        for one in costs["inference"]
    )
    decoding = "; ".join(
        f"{SIZES.get(one['folder'], '100 KB')}: {one['decode_ms']:.1f} + {one['resize_ms']:.1f} ms"
        for one in costs["photographs"]
        if one["n_threads"] == 1
    )
    bounds = ", ".join(f"{SIZES[size]} {bound:.1f}" for size, bound in saturation(results).items())
    return (
        table(["matrix products of this machine", "GFLOP/s", "8.9 GFLOP take, ms"], rows)
        + f"\n\nAlone, inference: {inference}.\nAlone on one thread, decode + resize: {decoding}.\n"
        f"So the cores could answer, photographs per second: {bounds}."
    )


def plots(results: Results) -> str:
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "fishid"
    from matplotlib import pyplot

    PLOTS.mkdir(exist_ok=True)
    sizes = [size for size in results.sizes() if size != "real"]
    figure, axes = pyplot.subplots(1, len(sizes), figsize=(11, 4), sharey=True, squeeze=False)
    for axis, size in zip(axes[0], sizes, strict=True):
        for name in results.servers:
            curve = results.rounds(name)[-1]["closed"][f"{size}/1"]["latency_ms"]["curve"]
            axis.plot(curve, range(101), label=results.title(name))
        for precision, rate in results.all["matrix_rate"].items():
            axis.axvline(1e3 * OPERATIONS / rate, color="grey", linestyle=":", linewidth=1)
            axis.text(1e3 * OPERATIONS / rate, 2, f" {precision}", fontsize=7, color="grey")
        axis.set(title=f"{SIZES[size]}, 1 client", xlabel="milliseconds", xscale="log")
    axes[0][0].set_ylabel("answered, %")
    axes[0][0].legend(fontsize=7)
    save(figure, "latency.svg")

    figure, axis = pyplot.subplots(figsize=(11, 4))
    for name in results.servers:
        points = [
            (one["rate"], one["results"]["latency_ms"]["p99"])
            for search in results.rounds(name)[-1].get("search", [])
            for one in search["tries"]
            if one["results"]["latency_ms"]
        ]
        if points:
            axis.plot(*zip(*sorted(points), strict=True), marker="o", markersize=3, label=results.title(name))
    for bound in (250, 1000):
        axis.axhline(bound, color="grey", linestyle=":", linewidth=1)
    axis.set(xlabel="arrivals per second (Poisson), 1 MP", ylabel="p99, milliseconds", yscale="log")
    axis.legend(fontsize=7)
    save(figure, "open-loop.svg")
    return (
        "![Latency of one client](performance/latency.svg)\n\n"
        "Dotted: what 8.9 GFLOP take at the measured rate of matrix products.\n\n"
        "![99th percentile over rate of arrivals](performance/open-loop.svg)"
    )


def save(figure, name: str):
    figure.tight_layout()
    figure.savefig(PLOTS / name, metadata={"Date": None})


def page(results: Results) -> str:
    machine = results.all["machine"]
    head = (
        f"Measured {results.all['when']} at {results.all['commit']} on {machine['cores']} cores of "
        f"{machine['processor']} ({', '.join(machine['features'])}), Linux {machine['system']}; "
        f"{len(results.rounds('fishid'))} rounds, phases of {results.all['seconds']:g} s, "
        f"{results.all['minutes']} minutes in all. Load of the machine before the first server: "
        f"{results.all['load_before']:.2f}."
    )
    parts = [
        head,
        ratios(results),
        one_client(results),
        eight_clients(results),
        open_loop(results),
        overload(results),
        costs(results),
        where_the_time_goes(results),
        limits(results),
        agreement(results),
    ]
    return "\n\n".join(parts)


def main():
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "bench" / "results" / "serving.json"
    results = Results(path)
    if "fishid" not in results.servers:
        raise SystemExit("fishid was not among the servers: there is nothing to compare with")
    text = page(results)
    print(text)
    if not results.is_whole:
        return
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{plots(results)}\n\n{END}{after}")


if __name__ == "__main__":
    main()
