from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from sakimori.app.machine_demo import Planted, plant
from sakimori.cli import main
from sakimori.hostile import is_unsafe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    return plant(tmp_path / "demo")


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.setenv("SAKIMORI_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)

    def run_it(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["sakimori", *map(str, words)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run_it


def valid(text: str, name: str) -> Any:
    plain = json.loads(text)
    schema = json.loads(
        files("sakimori").joinpath(f"schemas/{name}.schema.json").read_text("utf-8")
    )
    jsonschema.validate(plain, schema)
    return plain


def where(planted: Planted) -> list[object]:
    return ["--root", planted.root, "--hive", f"SOFTWARE={planted.hive}", "-r", "sakimori-test"]


def test_look_clean_undo_and_count_by_commands(run: Any, planted: Planted) -> None:
    code, out, err = run("clean", *where(planted))
    assert code == 0
    assert "remove job" in out
    assert "Nothing was changed. Add --yes to do it." in err
    assert planted.bot.exists()
    code, out, _ = run("clean", *where(planted), "--yes", "--format", "json", "--tool-run", "t.csv")
    assert code == 0
    plain = valid(out, "clean")
    assert {f["outcome"] for f in plain["findings"]} == {"done"}
    assert not planted.bot.exists()
    code, out, _ = run("clean-runs", "--format", "json")
    assert [r["run"] for r in valid(out, "clean-runs")] == [plain["run"]]
    code, out, _ = run("clean-undo", plain["run"], "--format", "json")
    assert code == 0
    valid(out, "clean-undo")
    assert planted.bot.exists()
    code, out, _ = run("clean-counts", "--format", "json")
    assert [c["undone"] for c in valid(out, "clean-counts")] == [10, 10]


def test_what_changed_since_is_shown_and_the_exit_code_says_so(run: Any, planted: Planted) -> None:
    run("clean", *where(planted), "--yes")
    (planted.root / "etc/hosts").write_text("192.0.2.1 \x1b[31mnew.example\n")
    name = json.loads(run("clean-runs", "--format", "json")[1])[0]["run"]
    code, out, err = run("clean-undo", name)
    assert code == 6
    assert "refused: it changed" in out
    assert "new.example" in err
    assert not any(is_unsafe(c) for c in out + err if c != "\n")
    code, out, _ = run("clean-undo", name, "--force")
    assert code == 0
    assert "put back by force" in out


def test_the_words_are_japanese_when_asked_for(run: Any, planted: Planted) -> None:
    _, out, err = run("clean", *where(planted), "--lang", "ja")
    assert "隔離" in out
    assert "何も変更していません" in err


def test_csv_is_safe_and_whole(run: Any, planted: Planted) -> None:
    (planted.root / "etc/crontab").write_text("=cmd /var/tmp/sakimori-test-bot \x1b[2J\n")
    _, out, _ = run("clean", *where(planted), "--format", "csv")
    assert out.splitlines()[0].startswith("id,recipe,version,family")
    assert "'=cmd" in out
    assert "\x1b" not in out


def test_without_recipes_for_this_system_it_says_what_was_left_out(
    run: Any, planted: Planted
) -> None:
    _, _, err = run("clean", "--root", planted.root)
    assert "left out, since they are for another system: daonol" in err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["clean", "-r", "zues"], 2, "no recipe is named"),
        (["clean", "--hive", "SOFTWARE=gone"], 3, "gone"),
        (["clean-undo", "x"], 2, "there is no run"),
        (["recipe", "sign", "gone.yaml", "--key", "k"], 3, "gone.yaml"),
    ],
)
def test_mistakes_are_one_line_with_an_exit_code(
    run: Any, words: list[str], code: int, said: str
) -> None:
    ended, _, err = run(*words)
    assert ended == code
    assert said in err
    assert "Traceback" not in err


def test_recipes_are_listed_and_shown(run: Any) -> None:
    code, out, _ = run("recipe", "list", "--format", "json")
    assert code == 0
    assert [r["name"] for r in valid(out, "recipe-list")] == [
        "daonol", "rustock", "sakimori-test", "waledac", "zeroaccess", "zeus",
    ]  # fmt: skip
    _, out, _ = run("recipe", "show", "zeus", "--format", "json")
    assert valid(out, "recipe")["about"]["ja"].startswith("オンラインバンキング")


def test_a_recipe_of_ones_own_is_checked_signed_trusted_and_used(
    run: Any, planted: Planted, tmp_path: Path
) -> None:
    data = files("sakimori.endpoint.recipes").joinpath("data/sakimori-test.yaml").read_text("utf-8")
    own = tmp_path / "own.yaml"
    own.write_text(data.replace("name: sakimori-test", "name: own"), "utf-8")
    code, out, _ = run("recipe", "check", own, "--format", "json")
    assert (code, valid(out, "recipe-list")[0]["origin"]) == (0, "unsigned")
    code, _, err = run("recipe", "sign", own, "--key", "team.pem", "--make-key")
    assert code == 0
    assert "team.pem.pub" in err
    use = ["clean", "--root", planted.root, "-r", own, "--yes"]
    assert run(*use)[0] == 5
    assert run("recipe", "trust", "team.pem.pub")[0] == 0
    assert run(*use)[0] == 0
    key = run("recipe", "trust", "--format", "json")[1]
    assert run("recipe", "trust", "--remove", json.loads(key)[0]["key"])[0] == 0


def test_a_recipe_that_is_wrong_is_told_with_its_line(run: Any, tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("recipe: 1\nnaem: x\n")
    code, _, err = run("recipe", "sign", "wrong.yaml", "--key", "k.pem", "--make-key")
    assert code == 3
    assert "wrong.yaml:2" in err
    assert "did you mean 'name'" in err
    assert not (tmp_path / "k.pem").exists()
