"""`fishid weights` and `--weights`: imported, downloaded, offline."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from weights_files import Hub, names_and_shapes, safetensors

TIMM = "tf-efficientnet-b0.timm"


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """tf-efficientnet-b0 with seeded numbers, as timm would save it."""
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    path.write_bytes(safetensors(names_and_shapes(TIMM)))
    return path


@pytest.fixture
def hub(weights):
    hub = Hub(weights.read_bytes())
    yield hub
    hub.stop()


def online(hub):
    return {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": hub.url}


def test_a_safetensors_file_becomes_a_backbone_with_its_description(fishid, weights, tmp_path):
    backbone = tmp_path / "backbone.onnx"
    arguments = ["weights", "import", weights, "--arch", "tf-efficientnet-b0", "--out", backbone]
    outcome = fishid.ok(*arguments, "--json")
    assert "--set names a published set" in outcome.err
    assert outcome.json()["embedding_width"] == 1280
    beside = json.loads(backbone.with_suffix(".json").read_text())
    assert beside["input"]["size"] == [224, 224]
    assert beside["weights"] == "model.safetensors"
    fishid.ok(*arguments, "--set", "ap_in1k")
    beside = json.loads(backbone.with_suffix(".json").read_text())
    assert beside["input"]["mean"] == [0.5, 0.5, 0.5]
    assert beside["weights"] == "model.safetensors", "nothing proves that it is the published set"


def test_weights_that_do_not_fit_are_told_by_name(fishid, weights, tmp_path):
    out = tmp_path / "backbone.onnx"

    def refused(file, arch, out=out):
        outcome = fishid("weights", "import", file, "--arch", arch, "--out", out)
        assert outcome.status == 2, outcome.err
        assert not out.exists()
        return outcome.err

    shapes = names_and_shapes(TIMM)
    del shapes["blocks.3.1.bn2.running_var"]
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(safetensors(shapes))
    assert "missing: blocks.3.1.bn2.running_var" in refused(broken, "tf-efficientnet-b0")
    assert "does not hold the weights of tf-efficientnet-b4" in refused(weights, "tf-efficientnet-b4")
    assert "efficientnet-b0 to efficientnet-b7" in refused(weights, "b0")
    assert "no such file" in refused(tmp_path / "nowhere", "tf-efficientnet-b0").lower()
    (tmp_path / "model.pth").write_bytes(b"PK\x03\x04 pickled")
    assert "saved as safetensors" in refused(tmp_path / "model.pth", "tf-efficientnet-b0")
    assert "ends in .onnx" in refused(weights, "tf-efficientnet-b0", tmp_path / "backbone.pt")
    (tmp_path / "settings.json").write_text("{}")
    assert "settings.json is there already" in refused(
        weights, "tf-efficientnet-b0", tmp_path / "settings.onnx"
    )
    plain = tmp_path / "plain.safetensors"
    plain.write_bytes(safetensors(names_and_shapes("efficientnet-b0.timm")))
    outcome = fishid(
        "weights", "import", plain, "--arch", "efficientnet-b0", "--out", out, "--set", "ra_in1k"
    )
    assert outcome.status == 2
    assert "is not the published set `ra_in1k`" in outcome.err


def test_weights_are_downloaded_once_and_then_used_offline(fishid, hub, small_fish, tmp_path):
    fetched = fishid.ok("weights", "fetch", "tf-efficientnet-b0", "--json", env=online(hub)).json()
    assert fetched["commit"] == hub.COMMIT
    assert fetched["set"] == "ns_jft_in1k"
    assert ("GET", "/timm/tf_efficientnet_b0.ns_jft_in1k/resolve/main/model.safetensors") in hub.requests
    hub.stop()
    again = fishid.ok("weights", "fetch", "tf-efficientnet-b0", "--json").json()
    assert again["sha256"] == fetched["sha256"]
    out = tmp_path / "bundle"
    fishid.backbone = None
    fishid.ok("train", "--data", small_fish, "--backbone", "tf-efficientnet-b0", "--out", out)
    manifest = json.loads((out / "fishid.json").read_text())
    assert manifest["backbone"]["weights"] == "imagenet"
    assert manifest["backbone"]["weights_set"] == "ns_jft_in1k"
    assert manifest["backbone"]["licence"] == "Apache-2.0"
    assert len(manifest["backbone"]["weights_digest"]) == 64


def test_wrong_bytes_are_refused_and_leave_nothing(fishid, hub):
    hub.served = hub.content[:-1] + b"?"
    outcome = fishid("weights", "fetch", "tf-efficientnet-b0", env=online(hub))
    assert outcome.status == 1
    assert "what arrived has" in outcome.err
    assert not list((fishid.home / "weights").rglob("*.safetensors"))
    hub.served = hub.content
    fishid.ok("weights", "fetch", "tf-efficientnet-b0", env=online(hub))


def test_a_hub_that_lacks_the_file_is_told_with_repository_and_file(fishid, hub):
    hub.status = 404
    outcome = fishid("weights", "fetch", "tf-efficientnet-b0", env=online(hub))
    assert outcome.status == 1
    assert "timm/tf_efficientnet_b0.ns_jft_in1k" in outcome.err
    assert "model.safetensors" in outcome.err


def test_networks_without_published_weights_say_what_to_do(fishid):
    outcome = fishid("weights", "fetch", "efficientnet-b7")
    assert outcome.status == 2
    assert "tf-efficientnet-b7" in outcome.err
    outcome = fishid("weights", "fetch", "tf-efficientnet-b4", "--set", "jft")
    assert outcome.status == 2
    assert "ns_jft_in1k, aa_in1k" in outcome.err


def test_offline_random_weights_are_taken_with_a_loud_warning(fishid, small_fish, tmp_path):
    out = tmp_path / "bundle"
    fishid.backbone = None
    outcome = fishid.ok("train", "--data", small_fish, "--backbone", "efficientnet-b0", "--out", out)
    assert "NO PRETRAINED WEIGHTS" in outcome.err
    manifest = json.loads((out / "fishid.json").read_text())
    assert manifest["backbone"]["name"] == "efficientnet-b0"
    assert manifest["backbone"]["weights"] == "random:0"
    assert "random weights" in manifest["demonstration"]
    assert "random" in (out / "report.html").read_text()


def test_a_hub_that_gives_nothing_is_no_reason_to_stop_a_demonstration(fishid, hub, small_fish, tmp_path):
    fishid.backbone = None
    arguments = ["train", "--data", small_fish, "--backbone", "tf-efficientnet-b0", "--out"]
    hub.status = 403
    refused = fishid.ok(*arguments, tmp_path / "refused", env=online(hub))
    hub.stop()
    dead = fishid.ok(*arguments, tmp_path / "dead", env=online(hub))
    for outcome in (refused, dead):
        assert "NO PRETRAINED WEIGHTS" in outcome.err
    manifest = json.loads((tmp_path / "dead" / "fishid.json").read_text())
    assert manifest["backbone"]["weights"] == "random:0"


def test_a_damaged_download_is_never_passed_over(fishid, hub, small_fish, tmp_path):
    fetched = fishid.ok("weights", "fetch", "tf-efficientnet-b0", "--json", env=online(hub)).json()
    content = bytearray(Path(fetched["path"]).read_bytes())
    content[-1] ^= 1
    Path(fetched["path"]).write_bytes(content)
    fishid.backbone = None
    arguments = [
        "train",
        "--data",
        small_fish,
        "--backbone",
        "tf-efficientnet-b0",
        "--out",
        tmp_path / "bundle",
    ]
    outcome = fishid(*arguments)
    assert outcome.status == 1
    assert fetched["path"] in outcome.err
    assert "is not what was downloaded" in outcome.err
    fishid.ok("weights", "fetch", "tf-efficientnet-b0", env=online(hub))
    fishid.ok(*arguments)


def test_up_tells_weights_apart_by_what_they_are(fishid, weights, serve, small_fish, tmp_path):
    fishid.backbone = None
    other = tmp_path / "other" / weights.name
    other.parent.mkdir()
    other.write_bytes(safetensors(names_and_shapes(TIMM), seed=9))
    for file, version in ((weights, "1"), (weights, "1"), (other, "2")):
        server = serve(
            fishid, "up", "--data", small_fish, "--backbone", "tf-efficientnet-b0", "--weights", file
        )
        server.wait_ready(120)
        server.stop()
        listed = fishid.ok("registry", "list", "--json").json()
        assert listed[0]["version"] == version, server.output()


def test_weights_of_a_run_that_nobody_can_mean_are_refused_before_any_work(fishid, small_fish, tmp_path):
    def refused(*arguments):
        outcome = fishid("train", "--data", small_fish, "--out", tmp_path / "bundle", *arguments)
        assert outcome.status == 2, outcome.err
        return outcome.err

    assert "random:0" in refused("--backbone", "efficientnet-b0", "--weights", "random")
    assert "no such file" in refused("--backbone", "efficientnet-b0", "--weights", "best.safetensors")
    assert "neither a file nor a network" in refused("--backbone", "efficientnet-b9")
    fishid.backbone = None
    outcome = fishid("train", "--data", small_fish, "--out", tmp_path / "bundle", "--weights", "imagenet")
    assert outcome.status == 1
    assert "offline" in outcome.err


def test_b4_is_trained_end_to_end_on_real_photographs(fishid, real_data, tmp_path):
    """Its weights are drawn, so only the way is tested, not the answers."""
    photographs = tmp_path / "photographs"
    source = real_data / "fishcam"
    with (source / "manifest.csv").open() as file:
        rows = list(csv.DictReader(file))
    kept = []
    for species in ("abramis_brama", "salmo_trutta", "squalius_cephalus"):
        first_of_group = {row["group"]: row for row in rows if row["class"] == species}
        kept += list(first_of_group.values())[:12]
    for row in kept:
        target = photographs / row["path"]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / row["path"], target)
    with (photographs / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(kept)
    weights = tmp_path / "b4.safetensors"
    weights.write_bytes(safetensors(names_and_shapes("tf-efficientnet-b4.timm"), seed=1))
    out = tmp_path / "bundle"
    fishid.ok(
        "train", "--data", photographs, "--backbone", "tf-efficientnet-b4", "--weights", weights, "--out", out
    )
    manifest = json.loads((out / "fishid.json").read_text())
    outputs = {output["name"]: output["shape"] for output in manifest["outputs"]}
    assert outputs["embedding"] == [-1, 1792]
    assert outputs["activation"] == [-1, 3, 12, 12]
    assert (manifest["preprocessing"]["width"], manifest["preprocessing"]["height"]) == (380, 380)
    assert manifest["backbone"]["weights"] == "b4.safetensors"
    assert manifest["demonstration"] is None
    assert sum(file.stat().st_size for file in out.rglob("*") if file.is_file()) < 75_000_000
    answer = fishid.ok("predict", out, photographs / kept[0]["path"], "--json").json()
    assert len(answer["top_3_predictions"]) == 3
