"""A folder is a machine: no link and no name in it leads outside."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from sakimori.endpoint.recipes import Tree
from sakimori.endpoint.recipes.tree import NoTree, look_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/hosts").write_text("inside")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/hosts").write_text("outside")
    return Tree(root)


LINKS = [
    ("absolute", "/etc", "/etc/hosts"),
    ("climbing", "../../../../../../etc", "/etc/hosts"),
    ("relative", "etc", "/etc/hosts"),
    ("to nothing", "/nowhere", None),
    ("to itself", "/link", None),
]


@pytest.mark.parametrize(("name", "target", "found"), LINKS, ids=[c[0] for c in LINKS])
def test_links_are_followed_below_the_root_only(
    tree: Tree, name: str, target: str, found: str | None
) -> None:
    (tree.root / "link").symlink_to(target)
    assert tree.resolve("/link/hosts") == found
    assert tree.resolve("/link/../../../etc/hosts") == ("/etc/hosts" if found else None)


def test_a_link_that_names_a_real_place_outside_finds_nothing(tree: Tree) -> None:
    (tree.root / "link").symlink_to(tree.root.parent / "outside")
    assert tree.resolve("/link/hosts") is None
    assert tree.glob("/link/hos*") == []


def test_a_folder_that_is_swapped_for_a_link_after_it_was_resolved_is_an_error(tree: Tree) -> None:
    path = tree.resolve("/etc/hosts")
    assert path is not None
    look = look_of((tree.root / "etc/hosts").stat())
    (tree.root / "etc").rename(tree.root / "old")
    (tree.root / "etc").symlink_to(tree.root.parent / "outside")
    with pytest.raises(OSError, match=r"symbolic|[Dd]irectory"):
        tree.read(path)
    with pytest.raises(OSError, match=r"symbolic|[Dd]irectory"):
        tree.write(path, b"x", look, ".aside")
    assert (tree.root.parent / "outside/hosts").read_text() == "outside"
    assert sorted(p.name for p in (tree.root.parent / "outside").iterdir()) == ["hosts"]


def test_a_file_that_is_swapped_for_a_link_is_not_read(tree: Tree) -> None:
    (tree.root / "etc/hosts").unlink()
    (tree.root / "etc/hosts").symlink_to(tree.root.parent / "outside/hosts")
    with pytest.raises(OSError, match=r"symbolic|[Dd]irectory"):
        tree.read("/etc/hosts")


def test_pipes_and_devices_are_no_files_and_do_not_hang(tree: Tree) -> None:
    os.mkfifo(tree.root / "etc/pipe")
    assert not tree.is_file("/etc/pipe")
    with pytest.raises(OSError, match="not a plain file"):
        tree.read("/etc/pipe")


def test_names_match_without_regard_to_case_where_asked(tree: Tree) -> None:
    assert tree.resolve("/ETC/Hosts") is None
    assert tree.resolve("/ETC/Hosts", fold=True) == "/etc/hosts"
    assert tree.glob("/ETC/HO*TS", fold=True) == ["/etc/hosts"]


@pytest.mark.parametrize(
    "name", [b"new\nline", b"\xff\xfe", b"\x1b[31m", "長い名前".encode(), b"'\"$(x)"]
)
def test_names_of_any_bytes_are_found_and_read(tree: Tree, name: bytes) -> None:
    file = os.fsdecode(name)
    (tree.root / "etc" / f"bad-{file}").write_bytes(b"x")
    assert [tree.read(p) for p in tree.glob("/etc/bad-*")] == [b"x"]


def test_a_write_keeps_mode_owner_and_attributes(tree: Tree) -> None:
    file = tree.root / "etc/hosts"
    file.chmod(0o640)
    try:
        os.setxattr(file, "user.note", b"kept")
    except OSError:
        pytest.skip("no extended attributes here")
    tree.write("/etc/hosts", b"new", look_of(file.stat()), ".aside")
    assert (file.read_bytes(), file.stat().st_mode & 0o7777) == (b"new", 0o640)
    assert os.getxattr(file, "user.note") == b"kept"
    assert [p.name for p in file.parent.iterdir()] == ["hosts"]


def test_without_files_nothing_is_found() -> None:
    tree = NoTree()
    assert tree.resolve("/etc/hosts") is None
    assert tree.glob("/etc/hos*") == []
    assert tree.look("/etc/hosts") is None


def test_a_hostile_name_is_cleaned_and_put_back(box: Any) -> None:
    name = os.fsdecode(b"/opt/bad-\n\x1b[2J\xff")
    box.put(name, "has the MARKER-of-it")
    before = box.state()
    items = "- {file: '/opt/bad-*', contains: MARKER-of-it, source: s}"
    assert [o.outcome for o in box.clean(items)] == ["done"]
    assert [u.outcome for u in box.undo()] == ["undone"]
    assert box.state() == before


def test_a_link_in_the_tree_that_leads_outside_is_never_cleaned(box: Any) -> None:
    outside = box.folder / "crontab"
    outside.write_text("* * * * * root /opt/badthing\n")
    (box.root / "etc/crontab").symlink_to(outside)
    (box.root / "opt").symlink_to(box.folder)
    (box.folder / "badthing").write_text("has the MARKER-of-it")
    items = "- {job: cron, contains: /opt/badthing, source: s}\n"
    items += "- {file: /opt/badthing, contains: MARKER-of-it, source: s}\n"
    assert not box.find(items).findings
    assert outside.read_text() == "* * * * * root /opt/badthing\n"


def test_a_hosts_file_that_is_a_link_is_edited_where_it_leads(box: Any) -> None:
    box.put("/run/hosts", "192.0.2.1 evil.example\n")
    box.link("/etc/hosts", "/run/hosts")
    assert [o.outcome for o in box.clean("- {hosts: [evil.example], source: s}")] == ["done"]
    assert (box.root / "etc/hosts").is_symlink()
    assert (box.root / "run/hosts").read_text() == ""


def test_what_may_not_be_looked_at_is_told(box: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    box.put("/var/spool/cron/crontabs/u", "* * * * * /opt/badthing\n")
    opening = os.open

    def denied(path: Any, *given: Any, **more: Any) -> int:
        if path in ("crontabs", "cron"):
            raise PermissionError(13, "denied")
        return opening(path, *given, **more)

    monkeypatch.setattr(os, "open", denied)
    found = box.find("- {job: cron, contains: /opt/badthing, source: s}")
    assert not found.findings
    assert {u.reason for u in found.unseen} == {"/var/spool/cron: permission denied"}, (
        "only the highest"
    )
