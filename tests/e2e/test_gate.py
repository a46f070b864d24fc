"""What reaches production by `fishid pipeline run`, what does not, and how a person overrides the gate."""

import csv
import json
import shutil
from pathlib import Path

import pytest

SPLITS = ["test", "train", "train", "val", "test", "train"]


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """Four species, fifteen fish each, two photographs of each fish; and what the manifest says of them."""
    from conftest import Fishid

    folder = tmp_path_factory.mktemp("gate") / "drawn"
    Fishid(folder.parent / "home").ok("data", "synth", folder, "--species", 4, "--per-class", 30, "--seed", 5)
    with (folder / "manifest.csv").open() as manifest:
        return folder, list(csv.DictReader(manifest))


def arranged(drawn, target: Path, label=lambda split, species: species):
    """The fish in train, val and test; `label` names the folder of a species, or None to leave it out."""
    folder, rows = drawn
    fish = {}
    lines = ["path,class,group"]
    for row in rows:
        of_species = fish.setdefault(row["class"], [])
        if row["group"] not in of_species:
            of_species.append(row["group"])
        split = SPLITS[of_species.index(row["group"]) % len(SPLITS)]
        if name := label(split, row["class"]):
            place = Path(split, name, Path(row["path"]).name)
            (target / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / row["path"], target / place)
            lines.append(f"{place},{name},{row['group']}")
    (target / "manifest.csv").write_text("\n".join(lines) + "\n")
    return target


def swapped(drawn, target):
    """Two species are learned under each other's name; what is tested on is what it was."""
    first, second, *_ = sorted({row["class"] for row in drawn[1]})
    other = {first: second, second: first}
    return arranged(drawn, target, lambda split, name: name if split == "test" else other.get(name, name))


def findings(decision, outcome):
    return {finding["criterion"] for finding in decision["findings"] if finding["outcome"] == outcome}


def test_a_worse_model_is_kept_out_with_its_reasons_until_a_person_insists(fishid, drawn, tmp_path):
    good = arranged(drawn, tmp_path / "good")
    first = fishid.ok("pipeline", "run", "--data", good, "--json").json()
    assert first["promoted"] is True
    shown = fishid.ok("registry", "show", first["version"], "--json").json()
    assert shown["tags"]["gate"].startswith("passed: First model: macro-F1")

    bad = swapped(drawn, tmp_path / "bad")
    told = fishid.ok("pipeline", "run", "--data", bad).out
    assert "version 2 is registered, not in production" in told
    assert "worse beyond chance" in told
    assert "fallen beyond chance" in told
    page_path = next(line for line in told.splitlines() if "gate.md" in line).rpartition(": ")[2]
    page = Path(page_path).read_text()
    assert page.startswith("# fish-classifier version 2 against version 1 in production: refused")
    assert "worse beyond chance" in page
    assert "could not have been noticed" in page, "a small test set says what it cannot show"
    assert "| macro-F1 | **refused** |" in page
    assert Path(page_path).parent.parent == fishid.home / "runs"
    decision = json.loads(Path(page_path).with_name("gate.json").read_text())
    assert decision["decision"] == "reject"
    assert findings(decision, "refused") >= {"macro_f1", "class_recall", "overfitting"}
    assert {"golden", "size"} <= findings(decision, "passed")
    assert fishid.ok("registry", "show", "production", "--json").json()["version"] == "1"

    # The command that the run prints is the one that works, with a reason for the ellipsis.
    printed = next(line for line in told.splitlines() if "--force" in line).partition(": ")[2]
    words = printed.split()[1:]
    assert words[-1] == '"…"'
    without_force = [word for word in words if word != "--force"]
    refused = fishid(*without_force[:-1], "it is spring")
    assert refused.status == 2
    assert "gate: refused: Macro-F1" in refused.err
    assert "--force --why" in refused.err
    assert fishid("registry", "promote", 2, "--force").status == 64, "nobody forces without a reason"
    fishid.ok(*words[:-1], "it is spring", env={"FISHID_WHO": "anna"})
    assert fishid.ok("registry", "show", "production", "--json").json()["version"] == "2"
    last = fishid.ok("registry", "history", "--json").json()[-1]
    assert last["who"] == "anna"
    assert last["why"].startswith("it is spring (forced over: the gate refused: Macro-F1")


def test_other_classes_need_a_persons_word_which_a_resumed_run_keeps(fishid, drawn, tmp_path):
    left_out = sorted({row["class"] for row in drawn[1]})[-1]
    few = arranged(drawn, tmp_path / "few", lambda _, name: None if name == left_out else name)
    assert fishid.ok("pipeline", "run", "--data", few, "--json").json()["promoted"] is True
    everything = arranged(drawn, tmp_path / "all")
    refused = fishid.ok("pipeline", "run", "--data", everything, "--json").json()
    assert refused["promoted"] is False
    assert f"it would also answer {left_out}" in " ".join(refused["verdict"]["reasons"])
    assert "--allow-class-change" in " ".join(refused["verdict"]["reasons"])

    # A run that stops at photographs that contradict each other keeps the permission for --resume.
    first, second, *_ = sorted(path for path in (everything / "train").iterdir())
    twin = second / "twin.jpg"
    shutil.copy(next(first.glob("*.jpg")), twin)
    manifest = (everything / "manifest.csv").read_text()
    (everything / "manifest.csv").write_text(f"{manifest}train/{second.name}/twin.jpg,{second.name},twin\n")
    assert fishid("pipeline", "run", "--data", everything, "--allow-class-change").status == 2
    twin.unlink()
    (everything / "manifest.csv").write_text(manifest)
    assert fishid("pipeline", "run", "--resume", "--allow-class-change").status == 64
    result = fishid.ok("pipeline", "run", "--resume", "--json").json()
    assert result["promoted"] is True
    outcome = next(it for it in result["verdict"]["findings"] if it["criterion"] == "classes")
    assert outcome["outcome"] == "warning"
    assert "compared on the 3 classes that both know" in outcome["sentence"]
    # The version was tagged when the gate still refused it; the history knows better.
    fishid.ok("registry", "rollback", "--why", "for the test")
    again = fishid.ok("registry", "promote", result["version"])
    assert "gate: passed: " in again.err


def test_too_few_photographs_to_compare_on_are_an_outcome_and_limits_are_settings(fishid, drawn, tmp_path):
    data = arranged(drawn, tmp_path / "fish")
    fishid.ok("pipeline", "run", "--data", data)
    strict = {"FISHID_GATE__MIN_GROUPS": "500"}
    outcome = fishid.ok("pipeline", "run", "--data", data, "--seed", 9, env=strict)
    assert "20 groups are left to compare on, and 20 of 500 are needed" in outcome.out
    (command,) = [line.partition(": ")[2] for line in outcome.out.splitlines() if "registry promote" in line]
    assert "--force" not in command
    fishid.ok(*command.split()[1:-1], "looked at by hand")
    unknown = fishid("pipeline", "run", env={"FISHID_GATE__MIN_GRUPS": "5"})
    assert unknown.status == 2
    assert "min_grups" in unknown.err
    senseless = fishid("pipeline", "run", env={"FISHID_GATE__MAX_SIZE_RATIO": "0.5"})
    assert senseless.status == 2
    assert "gate.max_size_ratio = 0.5 is not acceptable" in senseless.err
