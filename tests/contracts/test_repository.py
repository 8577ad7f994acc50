"""Rules that every file in the repository keeps."""

from __future__ import annotations

import re
import shutil
import subprocess  # noqa: TID251 - asks git for its list of files; fixed options, a time limit
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py")) + sorted((ROOT / "tests").rglob("*.py"))
# Written in pieces, so that this file does not hold what it looks for.
REGISTRIES = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"),
        ("yarnpkg", "com"), ("crates", "io"), ("rubygems", "org"), ("anaconda", "org"),
        ("conda", "io"), ("docker", "io"), ("ghcr", "io"), ("quay", "io"), ("gcr", "io"),
        ("proxy", "golang", "org"), ("maven", "org"), ("nuget", "org"), ("packagist", "org"),
        ("unpkg", "com"), ("jsdelivr", "net"),
    )
]  # fmt: skip
MACHINE = ["/" + "work/", "/" + "root/"]
STORY = r"\bsession[ _#-]?\d|\b(sub)?agent[ _#-]?\d|\bco-?authored-by\b|\bas an ai\b"


def tracked() -> list[str]:
    """Return the files git knows, or none where this is no checkout."""
    git = shutil.which("git")
    if not git or not (ROOT / ".git").exists():
        return []
    listed = subprocess.run(  # noqa: S603 - no shell, fixed options, an absolute path
        [git, "-C", str(ROOT), "ls-files", "-z"], capture_output=True, check=True, timeout=30
    )
    return [name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def contents() -> dict[str, str]:
    """Every file of the repository as text."""
    names = tracked()
    if not names:
        pytest.skip("not a git checkout, so no list of files")
    return {name: (ROOT / name).read_text("utf-8", errors="replace") for name in names}


def holding(contents: dict[str, str], pattern: str) -> list[str]:
    find = re.compile(pattern, re.IGNORECASE)
    return [
        f"{name}: {match[0]!r}" for name, text in contents.items() if (match := find.search(text))
    ]


def test_no_file_names_the_host_of_a_package_registry(contents: dict[str, str]) -> None:
    hosts = "|".join(re.escape(host) for host in REGISTRIES)
    assert holding(contents, rf"(?<![\w-])({hosts})\b") == []


def test_no_file_names_a_path_of_the_machine_it_was_written_on(contents: dict[str, str]) -> None:
    assert holding(contents, "|".join(rf"(?<![\w.]){re.escape(path)}" for path in MACHINE)) == []


def test_no_file_tells_how_it_was_made(contents: dict[str, str]) -> None:
    assert holding(contents, STORY) == []


@pytest.mark.parametrize(
    "text",
    [
        "see https://" + REGISTRIES[0] + "/simple",
        "cd " + MACHINE[0] + "main",
        "as in session" + " 1",
    ],
    ids=["registry", "path", "story"],
)
def test_the_rules_above_can_fail(text: str) -> None:
    rules = (
        test_no_file_names_the_host_of_a_package_registry,
        test_no_file_names_a_path_of_the_machine_it_was_written_on,
        test_no_file_tells_how_it_was_made,
    )
    broken = 0
    for rule in rules:
        try:
            rule({"a-file": text})
        except AssertionError:
            broken += 1
    assert broken == 1


def test_no_large_file_and_no_real_capture_is_kept(contents: dict[str, str]) -> None:
    large = [name for name in contents if (ROOT / name).stat().st_size > 1_000_000]
    assert large == []
    endings = (".pcap", ".pcapng", ".binetflow", ".gz", ".zst", ".parquet", ".sqlite", ".db")
    assert [name for name in contents if name.endswith(endings)] == []


def test_every_module_postpones_its_annotations() -> None:
    line = re.compile(r"^from __future__ import annotations$", re.MULTILINE)
    assert [str(p) for p in SOURCES if not line.search(p.read_text("utf-8"))] == []


def test_every_module_of_the_package_says_what_it_is_for() -> None:
    package = [path for path in SOURCES if "src" in path.relative_to(ROOT).parts]
    assert [str(p) for p in package if not p.read_text("utf-8").startswith(('"""', 'r"""'))] == []
