"""The documentation says what is there: generated pages are fresh, links and commands exist."""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer

import sakimori
from sakimori import config, detectors, readers
from sakimori.app.workspace import Workspace
from sakimori.cli import _commands, app  # noqa: F401 - registers the commands
from sakimori.simulate import Plan
from sakimori.tables import ALL

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
README, README_JA = ROOT / "README.md", ROOT / "README.ja.md"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


@cache
def make_reference() -> Any:
    spec = importlib.util.spec_from_file_location("make_reference", ROOT / "docs/make_reference.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def command_tree() -> dict[str, Any]:
    root: Any = typer.main.get_command(app)
    return dict(make_reference().commands(root, "sakimori"))


def blocks(page: Path, language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(page.read_text("utf-8")) if kind == language]


def shell_lines(page: Path) -> Iterator[str]:
    """Each command of the page's shell blocks, with lines that go on joined."""
    for block in blocks(page, "sh"):
        held = ""
        for line in block.splitlines():
            held = f"{held}\n{line}" if held else line
            if held.count('"') % 2 == 0:
                yield held.strip()
                held = ""


def calls(page: Path) -> Iterator[list[str]]:
    for line in shell_lines(page):
        for part in re.split(r" \| ", line):
            words = shlex.split(part, comments=True)
            if words:
                yield words


def anchors(page: Path) -> set[str]:
    text = re.sub(r"(?ms)^```.*?^```$", "", page.read_text("utf-8"))
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def headings(page: Path) -> list[int]:
    text = BLOCK.sub("", page.read_text("utf-8"))
    return [len(marks) for marks in re.findall(r"^(#+) ", text, re.MULTILINE)]


def test_generated_pages_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    code = make_reference().main(["--check"])
    assert code == 0, f"run `make docs`:\n{capsys.readouterr().out}"


def test_a_page_that_is_out_of_date_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = make_reference()
    monkeypatch.setitem(module.PAGES, "cli.md", lambda: "old")
    assert module.main(["--check"]) == 1
    assert "out of date: cli.md" in capsys.readouterr().out


def test_every_command_is_documented() -> None:
    page = (ROOT / "docs/reference/cli.md").read_text("utf-8")
    missing = [name for name in command_tree() if f"\n## {name}\n" not in page]
    assert missing == []


def test_every_table_detector_and_reader_is_documented() -> None:
    reference = ROOT / "docs/reference"
    assert set(ALL) <= anchors(reference / "tables.md")
    pages = {path.stem for path in (reference / "detectors").glob("*.md")}
    assert pages == {d.NAME for d in detectors.BUILTIN}
    assert {r.NAME for r in readers.BUILTIN} <= anchors(reference / "formats.md")


def test_remarks_beside_the_code_are_found() -> None:
    module = make_reference()
    for detector in detectors.BUILTIN:
        notes = module.details_of(detector)
        assert set(notes) == set(detector.DETAILS)
        assert any(notes.values()), f"{detector.NAME} says nothing of its fields"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page: Path) -> None:
    text = BLOCK.sub("", page.read_text("utf-8"))
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_and_options_shown_exist(page: Path) -> None:
    for words in calls(page):
        if words[0] == "make":
            targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
            assert words[1] in targets
        if words[0] != "sakimori":
            continue
        name = " ".join(words[:3]) if " ".join(words[:3]) in command_tree() else " ".join(words[:2])
        assert name in command_tree(), f"{name} is no command"
        options = {o for p in command_tree()[name].params for o in (*p.opts, *p.secondary_opts)}
        used = {w for w in words if re.fullmatch(r"--?[a-z][a-z-]*", w)}
        assert used <= options, f"{name} has no {used - options}"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_settings_shown_are_settings(page: Path, tmp_path: Path) -> None:
    for block in blocks(page, "toml"):
        if "project" in tomllib.loads(block):
            continue
        file = tmp_path / "sakimori.toml"
        file.write_text(block, "utf-8")
        settings = config.load(file, environment={})
        known = {d.NAME: d for d in detectors.BUILTIN}
        for name, values in settings.detector.items():
            config.fill(known[name].Config, values, name)  # type: ignore[arg-type]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_python_shown_uses_what_there_is(page: Path) -> None:
    for block in blocks(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                if node.value.id == "ws":
                    assert hasattr(Workspace, node.attr), f"a workspace has no {node.attr}"
                if node.value.id == "sakimori":
                    assert hasattr(sakimori, node.attr)


def test_methods_listed_for_python_exist() -> None:
    guide = (ROOT / "docs/guides/sql-and-python.md").read_text("utf-8")
    named = set(re.findall(r"`(\w+)\([\w, ]*\)`", guide))
    assert len(named) > 10
    assert {name for name in named if not hasattr(Workspace, name)} == set()


def test_the_japanese_readme_has_the_shape_of_the_english_one() -> None:
    assert headings(README_JA) == headings(README)
    kinds = [[kind for kind, _ in BLOCK.findall(p.read_text("utf-8"))] for p in (README, README_JA)]
    assert kinds[0] == kinds[1]
    assert len(kinds[0]) > 5


def test_both_readmes_show_the_same_commands() -> None:
    """The words for people and the language asked for differ; commands and places do not."""
    english, japanese = (
        [[w for w in words if w.isascii() and w not in ("--lang", "ja")] for words in calls(page)]
        for page in (README, README_JA)
    )
    assert [words[:4] for words in english] == [words[:4] for words in japanese]


@pytest.mark.parametrize("picture", ["hunt.svg", "hunt.ja.svg"])
def test_a_picture_needs_nothing_from_elsewhere(picture: str) -> None:
    svg = (ROOT / "docs/images" / picture).read_text("utf-8")
    without_namespace = svg.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.search(r"https?:|url\(|@import|<image|<script", without_namespace)


def test_the_readmes_count_what_the_picture_shows() -> None:
    """After a change of detectors: `python docs/make_picture.py`, look at it, correct the READMEs."""
    svg = (ROOT / "docs/images/hunt.svg").read_text("utf-8")
    shown = re.search(r">(\d+) infected, (\d+) suspected", svg)
    assert shown
    accused, bots = int(shown[1]) + int(shown[2]), sum(Plan().botnets.values())
    assert f"accuses {accused} of its {bots} bots" in README.read_text("utf-8")
    japanese = README_JA.read_text("utf-8")
    assert f"感染端末 {bots} 台のうち" in japanese
    assert f"{accused} 台です" in japanese


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = [int(p.name[:4]) for p in sorted((ROOT / "docs/decisions").glob("*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("word", ["simply", "obviously"])
@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_nothing_is_called_easy(page: Path, word: str) -> None:
    assert word not in page.read_text("utf-8").lower()
