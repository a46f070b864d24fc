"""What a person meets who types wrong things."""

import json

import pytest


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["--help"], 0, "Usage"),
        (["--version"], 0, "fishid"),
        ([], 64, "Usage"),
        (["swim"], 64, "swim"),
        (["predict", "bundle"], 64, "PHOTO"),
        (["data", "synth", "fish", "--speces", "3"], 64, "--species"),
        (["train", "--data", "nowhere", "--out", "bundle"], 2, "nowhere"),
        (["data", "check", "nowhere"], 2, "nowhere"),
        (["evaluate", "nowhere", "--data", "nowhere"], 2, "nowhere"),
        (["predict", "nowhere", "photo.jpg"], 2, "nowhere"),
        (["serve", "--bundle", "nowhere"], 2, "nowhere"),
        (["registry", "list", "--registry", "ftp://host"], 2, "ftp://host"),
        (["registry", "show", "production"], 2, "production"),
        (["registry", "promote", "7"], 2, "7"),
        (["registry", "rollback"], 2, "production"),
        (["data", "split", "x", "y", "--ratios", "80/ten/10"], 2, "80/ten/10"),
        (["train", "--data", ".", "--out", "b", "--fit", "squeeze"], 2, "squeeze"),
        (["health", "--url", "http://127.0.0.1:9"], 1, "127.0.0.1:9"),
    ],
)
def test_exit_status_and_message_name_the_thing(fishid, arguments, status, says):
    outcome = fishid(*arguments)
    assert outcome.status == status, outcome
    assert says in outcome.out + outcome.err
    assert "panicked" not in outcome.err


def test_every_command_has_help_with_an_example(fishid):
    commands = [
        ["data", "synth"],
        ["data", "check"],
        ["data", "import"],
        ["data", "split"],
        ["train"],
        ["evaluate"],
        ["predict"],
        *[["registry", name] for name in ("list", "show", "publish", "promote", "rollback", "history")],
        ["pipeline", "run"],
        ["serve"],
        ["health"],
        ["up"],
    ]
    for command in commands:
        help_text = fishid.ok(*command, "--help").out
        assert f"Example: fishid {' '.join(command)}" in help_text, command


@pytest.mark.parametrize(
    ("file", "env", "says"),
    [
        ("[serve]\nlistn = '127.0.0.1:1'\n", {}, "listn"),
        ("", {"FISHID_SERVE__LISTN": "127.0.0.1:1"}, "listn"),
        ("", {"FISHID_SERVE__QUEUE_CAPACITY": "many"}, "queue_capacity"),
        ("[serve\n", {}, "fishid.toml"),
    ],
)
def test_a_wrong_setting_is_named(fishid, small_bundle, file, env, says):
    (fishid.cwd / "fishid.toml").write_text(file)
    outcome = fishid("serve", "--bundle", small_bundle[0], env=env)
    assert outcome.status == 2, outcome
    assert says in outcome.err


def test_an_empty_folder_is_refused_with_the_expected_layout(fishid, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    outcome = fishid("train", "--data", empty, "--out", tmp_path / "bundle")
    assert outcome.status == 2
    assert str(empty) in outcome.err
    assert not (tmp_path / "bundle").exists()


def test_a_missing_onnx_runtime_names_the_remedy(fishid, small_bundle, small_fish):
    photo = next(small_fish.glob("*/*.jpg"))
    outcome = fishid("predict", small_bundle[0], photo, env={"ORT_DYLIB_PATH": "/nowhere/libonnxruntime.so"})
    assert outcome.status == 1
    assert "/nowhere/libonnxruntime.so" in outcome.err
    assert "make setup" in outcome.err


def test_json_on_standard_output_is_nothing_but_json(small_bundle):
    _, result = small_bundle
    assert json.dumps(result)
