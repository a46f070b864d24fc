"""Half a minute of what `make soak` does for half an hour: no wrong outcome, whatever the clients do."""

import itertools
import json

import requests
from services import wait_until

from bench.soak import Soak, panics

SECRETS = {
    "FISHID_ADMIN__TOKEN": "token-of-the-soak-0123456789",
    "FISHID_ADMIN__WEBHOOK_SECRET": "nobody signs with this one",
}


def test_good_bad_slow_and_aborted_clients_and_reloads_leave_no_wrong_outcome(
    fishid, serve, small_bundle, small_fish, tmp_path
):
    registry = ("--registry", f"file://{tmp_path / 'registry'}")
    second = tmp_path / "second"
    fishid.ok("train", "--data", small_fish, "--out", second, "--seed", 7)
    versions = [
        fishid.ok("registry", "publish", bundle, *registry, "--json").json()["version"]
        for bundle in (small_bundle[0], second)
    ]
    fishid.ok("registry", "promote", versions[0], *registry, "--force", "--why", "test")
    alias = tmp_path / "registry/fish-classifier/aliases/production.json"
    server = serve(fishid, "serve", *registry, env=SECRETS | {"FISHID_SERVE__POLL_S": "1"})
    server.wait_ready(60)
    turns = itertools.cycle(reversed(versions))

    def reload():
        version = next(turns)
        part = alias.with_suffix(".part")
        part.write_text(json.dumps(json.loads(alias.read_text()) | {"to": version}))
        part.rename(alias)
        wait_until(lambda: serving() == version, 60, f"version {version}")
        return "swapped", True

    def serving():
        return requests.get(f"{server.url}/ready", timeout=10).json()["model_version"]

    photos = [file.read_bytes() for file in sorted(small_fish.glob("*/*.jpg"))[:12]]
    soak = Soak(server.url, server.process.pid, photos)
    soak.run(seconds=25, reload_every_s=4, reload=reload)
    print(soak.table())
    assert soak.outcomes.wrong == []
    counts = soak.outcomes.counts
    assert counts["good", "200"] > 20
    assert counts["reload", "swapped"] >= 3
    assert counts["slow", "200"] >= 1
    assert counts["aborted", "left"] >= 10
    assert server.stop() == 0
    assert panics(server.output()) == []
    # The process may still be growing into its working set; the half hour is the judge.
    assert soak.growth() < 0.5
