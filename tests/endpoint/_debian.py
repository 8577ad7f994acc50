"""A made-up Debian package in two versions, installed into a folder so that no real package is touched."""

from __future__ import annotations

import shutil
import subprocess  # noqa: TID251 - dpkg is what is tried
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NAME = "watchtower-made-up"
FIRST = {
    "usr/bin/watchtower": b"#!/bin/sh\necho 1\n",
    "usr/share/watchtower/words": b"one\n",
    "etc/watchtower.conf": b"mode = quiet\n",
}
SECOND = FIRST | {
    "usr/bin/watchtower": b"#!/bin/sh\necho 2\n",
    "usr/share/watchtower/more": b"two\n",
}


def needs_dpkg() -> None:
    """Skip the test where dpkg is not there."""
    for program in ("dpkg", "dpkg-deb"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


def new_root(folder: Path) -> Path:
    """Return a folder that dpkg takes for a whole machine with nothing installed."""
    for part in ("var/lib/dpkg/info", "var/lib/dpkg/updates", "var/log", "usr/bin", "etc"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "var/lib/dpkg/status").touch()
    (folder / "var/lib/dpkg/available").touch()
    return folder


def build(folder: Path, version: str, files: Mapping[str, bytes], name: str = NAME) -> Path:
    """Build a .deb of `files` (path without a leading slash -> content) and return its path."""
    tree = folder / f"{name}-{version}"
    for path, content in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_bytes(content)
        (tree / path).chmod(0o755 if "bin/" in path else 0o644)
    control = tree / "DEBIAN"
    control.mkdir(parents=True, exist_ok=True)
    (control / "control").write_text(
        f"Package: {name}\nVersion: {version}\nArchitecture: all\nSection: misc\n"
        "Maintainer: Nobody <nobody@example.org>\nDescription: made up for a test\n"
    )
    settings = [f"/{path}\n" for path in files if path.startswith("etc/")]
    (control / "conffiles").write_text("".join(settings))
    made = folder / f"{name}_{version}_all.deb"
    _run("dpkg-deb", "--root-owner-group", "-Zgzip", "--build", str(tree), str(made))
    return made


def install(root: Path, package: Path) -> None:
    """Install or upgrade a .deb in `root` (made by `new_root`)."""
    _run(
        "dpkg", "--force-not-root", "--force-bad-path", "--force-script-chrootless",
        f"--root={root}", f"--log={root}/var/log/dpkg.log", "--install", str(package),
    )  # fmt: skip


def _run(*argv: str) -> None:
    ended = subprocess.run(argv, capture_output=True, check=False)  # noqa: S603 - our arguments
    assert ended.returncode == 0, ended.stderr.decode(errors="replace")
