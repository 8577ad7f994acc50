"""What a recipe may say: everything else is refused, with the line it stands in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.endpoint.recipes import load, parse
from sakimori.endpoint.recipes.model import FileItem, RegistryItem
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from pathlib import Path

HEAD = """\
recipe: 1
name: made-up
family: MadeUp
version: 1
date: 2026-11-25
platforms: [linux]
about: {en: Made up., ja: 架空です。}
sources: [{id: s, title: t, organisation: o}]
"""
FILE = "- {file: /opt/bad, source: s, contains: MARKER-of-it}\n"
WINLOGON = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon"

# (what is wrong, the items or whole text, line, words of the message)
ITEMS = [
    ("an unknown key, with the nearest", "- {file: /opt/bad, source: s, contians: MARKER}", 10,
     "items[1].contians: unknown key; did you mean 'contains'?"),
    ("an unknown kind", "- {fil: /opt/bad, source: s}", 10, "begins with its kind"),
    ("no kind", "- 5", 10, "begins with its kind"),
    ("no source", "- {file: /opt/bad, contains: MARKER-of-it}", 10, "'source' is missing"),
    ("an unknown source", "- {file: /opt/bad, source: x, contains: MARKER-of-it}", 10, "no source has the id"),
    ("a path alone", "- {file: /opt/bad, source: s}", 10, "a path alone does not decide"),
    ("a path and size alone", "- {file: /opt/bad, size: {to: 9}, source: s}", 10, "a path alone does not decide"),
    ("a relative path", "- {file: opt/bad, source: s, contains: MARKER-of-it}", 10, "begins nowhere"),
    ("an unknown variable", "- {file: '%Foo%\\bad', source: s, contains: MARKER-of-it}", 10, "begins nowhere"),
    ("a path that climbs", "- {file: /opt/../etc/passwd, source: s, always-bad: true}", 10, "without . and .."),
    ("a folder", "- {file: /opt/, source: s, always-bad: true}", 10, "begins nowhere|a file is expected"),
    ("a glob for the world", "- {file: '/*', source: s, contains: MARKER-of-it}", 10, "first part"),
    ("a glob that fixes little", "- {file: '/opt/a*', source: s, contains: MARKER-of-it}", 10, "too much"),
    ("two wild parts", "- {file: '/opt/bad*/bad*', source: s, contains: MARKER-of-it}", 10, "only one part"),
    ("a glob over folders", "- {file: '/opt/bad**', source: s, contains: MARKER-of-it}", 10, "may not stand for"),
    ("a short marker", "- {file: /opt/bad, source: s, contains: MZ}", 10, "is in many files"),
    ("a hash that is none", "- {file: /opt/bad, source: s, sha256: [abc]}", 10, "no SHA-256"),
    ("a size that is none", "- {file: /opt/bad, source: s, size: {to: big}, contains: MARKER-of-it}", 10,
     "size.to: a whole number"),
    ("a process by name alone", "- {process: sh, source: s}", 10, "a name alone does not decide"),
    ("every deleted process", "- {process: '', deleted: true, source: s}", 10, "which process"),
    ("every process with such words", "- {process: '', command: /opt/badthing, source: s}", 10, "which process"),
    ("a service by name alone", "- {service: ssh.service, source: s}", 10, "a name alone does not decide"),
    ("a service with a path", "- {service: ../x.service, source: s, always-bad: true}", 10, "no name of a service"),
    ("a unit without its kind", "- {service: ssh, source: s, always-bad: true}", 10, "is no unit"),
    ("an unknown manager", "- {service: x.service, manager: sytemd, source: s}", 10, "did you mean 'systemd'"),
    ("a job of no kind", "- {job: crno, contains: MARKER-of-it, source: s}", 10, "did you mean 'cron'"),
    ("a job without markers", "- {job: cron, source: s, always-bad: true}", 10, "give what the job contains"),
    ("a task without a name", "- {job: task, contains: MARKER-of-it, source: s}", 10, "a task has a name"),
    ("a task that climbs", "- {job: task, name: ..\\x, contains: MARKER-of-it, source: s}", 10, "no name of a task"),
    ("localhost", "- {hosts: [localhost], source: s}", 10, "no host name to remove"),
    ("a host that is none", "- {hosts: ['a b'], source: s}", 10, "no host name to remove"),
    ("an autorun of no kind", "- {autorun: xgd, contains: MARKER-of-it, source: s}", 10, "did you mean 'xdg'"),
    ("an autorun with a path", "- {autorun: xdg, name: ../x, contains: MARKER-of-it, source: s}", 10, "no name"),
    ("an autorun of all", "- {autorun: profile, source: s, always-bad: true}", 10, "give what it contains"),
    ("a key that begins nowhere", "- {registry: 'HKLM\\X', bad: {exact: x}, good: y, source: s}", 10, "begins nowhere"),
    ("a value without bad", f"- {{registry: '{WINLOGON}', good: y, source: s}}", 10, "which value is bad"),
    ("a value without good", f"- {{registry: '{WINLOGON}', bad: {{exact: x}}, source: s}}", 10, "what is the good value"),
    ("two ways of bad", f"- {{registry: '{WINLOGON}', bad: {{exact: x, contains: yyy}}, good: y, source: s}}", 10,
     "one of exact"),
    ("bad that is in many values", f"- {{registry: '{WINLOGON}', bad: {{contains: x}}, good: y, source: s}}", 10,
     "is in many values"),
    ("an expression that may never end", f"- {{registry: '{WINLOGON}', bad: {{matches: '(a+)+'}}, good: y, source: s}}",
     10, "must follow one character"),
    ("a type that is none", f"- {{registry: '{WINLOGON}', bad: {{exact: x}}, good: {{type: REG_SS, text: y}}, source: s}}",
     10, "did you mean 'REG_SZ'"),
    ("a number that does not fit",
     f"- {{registry: '{WINLOGON}', bad: {{exact: x}}, good: {{number: 4294967296}}, source: s}}", 10, "is not within"),
    ("a key near the root", "- {registry: 'SOFTWARE\\Microsoft\\Windows', delete-key: true, always-bad: true, source: s}",
     10, "too near to the root"),
    ("every service", "- {registry: 'SYSTEM\\CurrentControlSet\\Services\\*', delete-key: true, always-bad: true, source: s}",
     10, "wildcards need bad"),
    ("every hive", "- {registry: 'SOFTWARE\\*', bad: {exact: x}, good: y, source: s}", 10, "below the first two"),
    ("a second item", FILE + "- {file: /opt/bad, source: s}", 11, "items[2]: a path alone"),
]  # fmt: skip
WHOLE = [
    ("nothing", "", None, "empty"),
    ("a list", "- 1\n", 1, "named values are expected"),
    ("no YAML", "a: [1\nb: 2\n", 2, "not valid YAML"),
    ("a tab", "a:\n\tb: 1\n", 2, "not valid YAML"),
    ("a control character", HEAD + "items: [\x01]\n", 9, "not valid YAML"),
    ("a key twice", "name: a\nname: b\n", 2, "'name' is there twice"),
    ("an alias", "a: &x [1]\nb: *x\n", 1, "aliases"),
    ("a tag that builds", "a: !!python/object/apply:os.system [ls]\n", 1, "is not allowed"),
    ("a merge", "a: 1\n<<: {b: 2}\n", 2, "a text is expected|not allowed"),
    ("depth", "a: " + "[" * 40 + "]" * 40, 1, "nested deeper"),
    ("another format", HEAD.replace("recipe: 1", "recipe: 2") + "items:\n" + FILE, 1, "only format 1"),
    ("a misspelt key", HEAD.replace("family:", "familiy:") + "items:\n" + FILE, 3, "did you mean 'family'"),
    ("a missing key", HEAD.replace("version: 1\n", "") + "items:\n" + FILE, 1, "'version' is missing"),
    ("a name that is none", HEAD.replace("made-up", "../x") + "items:\n" + FILE, 2, "is no name"),
    ("a date that is none", HEAD.replace("2026-11-25", "today") + "items:\n" + FILE, 5, "a date is expected"),
    ("a platform that is none", HEAD.replace("[linux]", "[linus]") + "items:\n" + FILE, 6, "did you mean 'linux'"),
    ("no Japanese", HEAD.replace(", ja: 架空です。", "") + "items:\n" + FILE, 7, "'ja' is missing"),
    ("two sources of one id", HEAD.replace("o}]", "o}, {id: s, title: t, organisation: o}]") + "items:\n" + FILE, 8,
     "two sources"),
    ("no items", HEAD + "items: []\n", 9, "an empty list"),
    ("a number for a text", HEAD.replace("MadeUp", "12") + "items:\n" + FILE, 3, "a text is expected"),
]  # fmt: skip


def refused(text: str | bytes) -> SourceError:
    with pytest.raises(SourceError) as caught:
        parse(text.encode() if isinstance(text, str) else text, "r.yaml")
    return caught.value


@pytest.mark.parametrize(("name", "items", "line", "words"), ITEMS, ids=[c[0] for c in ITEMS])
def test_a_wrong_item_is_told_with_its_line(name: str, items: str, line: int, words: str) -> None:
    error = refused(HEAD + "items:\n" + items)
    assert error.where == f"r.yaml:{line}"
    assert any(word in f"{error} {error.hint}" for word in words.split("|")), str(error)


@pytest.mark.parametrize(("name", "text", "line", "words"), WHOLE, ids=[c[0] for c in WHOLE])
def test_a_wrong_file_is_told_with_its_line(
    name: str, text: str, line: int | None, words: str
) -> None:
    error = refused(text)
    assert error.where == (f"r.yaml:{line}" if line else "r.yaml")
    assert any(word in str(error) for word in words.split("|")), str(error)


def test_bytes_that_are_no_text_are_told_with_their_line() -> None:
    assert refused(b"a: 1\nb: \xff\n").where == "r.yaml:2"


def test_a_file_that_is_too_large_is_not_read() -> None:
    assert "larger than" in str(refused(b"a: 1\n" * 100_000))


def test_a_billion_laughs_are_not_heard() -> None:
    laughs = "a0: &a0 [x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)
    )
    assert "aliases" in str(refused(laughs))


def test_a_recipe_is_read_whole() -> None:
    recipe = parse(
        (
            HEAD
            + "items:\n"
            + "- {file: '%SystemRoot%\\System32\\bad.exe', source: s, contains: [[MARK, ER-of-it], second-one]}\n"
            + f"- {{registry: '{WINLOGON}', name: Shell, source: s, bad: {{exact: x}}, "
            + "good: [absent, {number: 1}, {type: REG_BINARY, hex: '00 ff'}]}\n"
        ).encode(),
        "r.yaml",
    )
    first, second = recipe.items
    assert isinstance(first, FileItem)
    assert isinstance(second, RegistryItem)
    assert (first.path, first.when.contains) == (
        "%SystemRoot%/System32/bad.exe",
        (b"MARKER-of-it", b"second-one"),
    )
    assert [(g.type, g.data, g.absent) for g in second.good] == [
        (1, b"", True),
        (4, b"\1\0\0\0", False),
        (3, b"\0\xff", False),
    ]
    assert [i.line for i in recipe.items] == [10, 11]


def test_a_file_that_is_not_there_is_an_error_that_helps(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        load(tmp_path / "gone.yaml")
    assert "recipe list" in caught.value.hint


@settings(max_examples=15)
@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_no_bytes_raise_anything_but_a_source_error(data: bytes) -> None:
    with pytest.raises(SourceError):
        parse(data, "r.yaml")


@settings(max_examples=15)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
        ),
        max_leaves=8,
    ),
    st.sampled_from(("file", "process", "service", "job", "registry", "hosts", "autorun")),
    st.sampled_from(("contains", "bad", "good", "size", "name", "sha256", "manager", "source")),
)
def test_no_value_at_any_place_raises_anything_but_a_source_error(
    value: object, kind: str, key: str
) -> None:
    import json  # noqa: PLC0415 - JSON is YAML

    item = {kind: "x", "source": "s", key: value}
    text = HEAD + "items: " + json.dumps([item, {kind: value, "source": "s"}]) + "\n"
    with pytest.raises(SourceError):
        parse(text.encode("utf-8", "surrogatepass"), "r.yaml")
