"""`sakimori rules` as publisher and machine use it."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING

import jsonschema
import pytest

from sakimori.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def rules(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SAKIMORI_STORE", str(tmp_path / "store"))

    def run(line: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["sakimori", "rules", *line.split()])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.fixture
def published(rules: Callable[..., tuple[int, str, str]], tmp_path: Path) -> str:
    (tmp_path / "pack" / "rules").mkdir(parents=True)
    (tmp_path / "pack" / "rules" / "a.yar").write_text("rule a { condition: false }")
    for name in ("a", "b", "o"):
        assert rules(f"key {name}.pem")[0] == 0
    assert rules("init defs --key a.pem --key b.pem --threshold 2 --online o.pem")[0] == 0
    assert rules("trust defs/metadata/1.root.json")[0] == 0
    assert rules("publish defs pack --key a.pem --key b.pem --online o.pem")[0] == 0
    return "--key a.pem --key b.pem --online o.pem"


def test_from_a_pack_to_a_machine_and_back(
    rules: Callable[..., tuple[int, str, str]], published: str
) -> None:
    assert rules("update --from defs --ring canary")[0] == 0
    code, out, _ = rules("list --format json")
    listed = json.loads(out)
    schema = files("sakimori").joinpath("schemas/rules-list.schema.json").read_text("utf-8")
    jsonschema.validate(listed, json.loads(schema))
    assert (code, listed["old"], listed["versions"][0]["rules"]) == (0, False, 1)
    code, _, err = rules(f"promote defs {published}")
    assert (code, "wait until 24.0 hours" in err) == (5, True)
    assert rules(f"promote defs {published} --after 0")[0] == 0
    code, out, _ = rules("update --from defs --format json")
    assert (code, json.loads(out)["new"]) == (0, False)
    code, out, _ = rules("status defs --format json")
    assert json.loads(out)["rings"]["all"] == listed["active"]


def test_a_change_that_lacks_a_signature_says_so(
    rules: Callable[..., tuple[int, str, str]], published: str
) -> None:
    assert published
    _, _, err = rules("publish defs pack --key a.pem --online o.pem")
    assert "1 more signatures are needed" in err
    assert rules("sign defs --key b.pem --online o.pem")[0] == 0
    assert "staged" not in rules("refresh defs --online o.pem")[2]


def test_without_definitions_the_list_says_what_scans_know(
    rules: Callable[..., tuple[int, str, str]],
) -> None:
    code, _, err = rules("list")
    assert code == 0
    assert "built-in rules only" in err


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("update", 2, "no source of definitions is named"),
        ("update --from https://defs.example/ ", 2, "no publisher is trusted yet"),
        ("update --from nowhere", 3, "no zip of definitions"),
        ("trust nowhere.json", 3, "nowhere.json"),
        ("rollback", 2, "no earlier version"),
        ("status nowhere", 3, "no repository of definitions"),
        ("publish nowhere nothing --online o.pem", 3, "o.pem"),
        ("sign nowhere --online o.pem", 3, "o.pem"),
    ],
)
def test_what_goes_wrong_is_said_in_a_line(
    rules: Callable[..., tuple[int, str, str]], line: str, code: int, says: str
) -> None:
    ended, _, err = rules(line)
    assert (ended, says in err, "Traceback" in err) == (code, True, False)
