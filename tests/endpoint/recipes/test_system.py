from __future__ import annotations

from typing import Any

import pytest

from sakimori.endpoint.recipes import System, Tree
from sakimori.endpoint.recipes.system import Systemd
from sakimori.endpoint.run import Ran


def test_people_are_found_in_passwd_and_in_windows_folders(box: Any) -> None:
    box.put("/Users/aiko/x")
    box.put("/etc/passwd", "root:x:0:0::/root:/bin/sh\nu:x:1000:1000::/home/u/:\nnobody:x:65534:1::/x:\n"
                           "broken\nd:x:2:2::/bin:\nr:x:1001:1::relative:\n")  # fmt: skip
    assert box.system.homes() == ["/Users/aiko", "/root", "/home/u"]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/etc/x", ["/etc/x"]),
        ("~/x", ["/Users/aiko/x", "/" + "root/x", "/home/u/x"]),
        ("%SystemRoot%/x", ["/WINDOWS/x"]),
        ("%SystemDrive%/x", ["/x"]),
        ("%AppData%/x", ["/Users/aiko/AppData/Roaming/x", "/Users/aiko/Application Data/x"]),
        ("%Temp%/x", ["/WINDOWS/Temp/x", "/Users/aiko/AppData/Local/Temp/x",
                      "/Users/aiko/Local Settings/Temp/x"]),
        ("%Unknown%/x", []),
    ],
)  # fmt: skip
def test_a_recipes_path_means_places_of_this_machine(box: Any, path: str, found: list[str]) -> None:
    box.put("/WINDOWS/system32/x")
    box.put("/Users/aiko/x")
    assert box.system.expand(path) == found


def test_a_variable_of_windows_means_nothing_elsewhere(box: Any) -> None:
    assert box.system.expand("%SystemRoot%/x") == []
    assert System(Tree(box.root)).windows_folder() == ""


class Asked:
    """Answers for systemctl."""

    def __init__(self, code: int | None) -> None:
        self.words: list[tuple[str, ...]] = []
        self.code = code

    def __call__(self, words: list[str]) -> Ran:
        self.words.append(tuple(words[1:]))
        return Ran(self.code, b"", b"no bus\n", "" if self.code is not None else "not found")


@pytest.mark.parametrize(("code", "reason"), [(0, ""), (1, "no bus"), (None, "not found")])
def test_systemd_reads_its_files_anew_before_what_is_left_is_killed(
    monkeypatch: pytest.MonkeyPatch, code: int | None, reason: str
) -> None:
    asked = Asked(code)
    monkeypatch.setattr("sakimori.endpoint.recipes.system.run", asked)
    assert Systemd().settle("bad.service", "systemd") == reason
    assert [w[0] for w in asked.words] == (
        ["daemon-reload", "kill", "stop", "reset-failed"] if code == 0 else ["daemon-reload"]
    )
    asked.words.clear()
    assert Systemd().settle("Bad", "windows") == ""
    assert asked.words == []


def test_a_unit_that_is_a_link_to_elsewhere_is_disabled_and_its_file_taken(box: Any) -> None:
    box.put("/opt/x/bad.service", "[Service]\nExecStart=/opt/badthing\n")
    box.link("/etc/systemd/system/bad.service", "/opt/x/bad.service")
    box.link("/etc/systemd/system/multi-user.target.wants/bad.service", "/opt/x/bad.service")
    before = box.state()
    items = "- {service: bad.service, contains: /opt/badthing, source: s}"
    assert [o.outcome for o in box.clean(items)] == ["done"]
    assert not (box.root / "opt/x/bad.service").exists()
    assert not (box.root / "etc/systemd/system/bad.service").is_symlink()
    box.undo()
    assert box.state() == before


def test_a_masked_unit_is_left_alone(box: Any) -> None:
    box.link("/etc/systemd/system/bad.service", "/dev/null")
    assert not box.find("- {service: bad.service, contains: /opt/badthing, source: s}").findings
