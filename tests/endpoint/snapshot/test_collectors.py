from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from sakimori.endpoint.snapshot import jobs, modules, packages, services, sockets, users
from sakimori.endpoint.snapshot.ground import Ground

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sakimori.endpoint.snapshot.model import Record

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="collectors of a Unix machine")
Tree = dict[str, str]


@pytest.fixture
def machine(tmp_path: Path) -> Callable[[Tree], Ground]:
    """Write files; `-> target` makes a link."""

    def write(tree: Tree) -> Ground:
        for name, text in tree.items():
            path = tmp_path / name.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            if text.startswith("-> "):
                path.symlink_to(text[3:])
            else:
                path.write_text(text, "utf-8", errors="surrogateescape")
        return Ground(str(tmp_path), live=False)

    return write


def held(found: Iterator[Record]) -> dict[str, dict[str, Any]]:
    return {record.key: record.state for record in found}


ACCOUNTS = (
    "root:x:0:0:root:/root:/bin/bash\nbob:x:1000:1000:Bob:/home/bob:/bin/sh\nold:x:3:3::/:/bin/no\n"
)
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4"


def test_users_are_told_without_their_secrets(machine: Callable[[Tree], Ground]) -> None:
    shadow = (
        "root:$y$j9T$saltsalt$hashhash:20000:0:99999:7:::\nbob:!$6$s$h:20000:0:99999:7::1:\n"
        "old:*:1:0:9:7:::\n"
    )
    ground = machine({"/etc/passwd": ACCOUNTS, "/etc/shadow": shadow})
    found = held(users.collect(ground))
    assert found["bob"]["home"] == "/home/bob"
    assert found["bob"]["password"].startswith("locked ")
    assert found["bob"]["expires"] == 1
    assert found["old"]["password"] == "none"  # noqa: S105 - a word
    assert "hashhash" not in str(found)
    again = held(users.collect(machine({"/etc/shadow": shadow.replace("hashhash", "otherone")})))
    assert found["root"]["password"].startswith("set ")
    assert again["root"]["password"] != found["root"]["password"]
    assert again["bob"] == found["bob"]


def test_a_password_that_may_not_be_seen_is_not_known(machine: Callable[[Tree], Ground]) -> None:
    ground = machine(
        {"/etc/passwd": ACCOUNTS, "/etc/shadow/folder": "stands for what cannot be read"}
    )
    assert held(users.collect(ground))["bob"]["password"] is None
    assert [gap.key for gap in ground.gaps] == ["/etc/shadow"]


def test_groups_sudo_and_keys_are_told(machine: Callable[[Tree], Ground]) -> None:
    ground = machine({
        "/etc/passwd": ACCOUNTS, "/etc/group": "sudo:x:27:bob,alice\n",
        "/etc/sudoers": "# comment\nroot ALL=(ALL) ALL\n@includedir /etc/sudoers.d\n",
        "/etc/sudoers.d/bob": "bob ALL=(ALL) \\\n NOACCOUNTS: ALL\n", "/etc/sudoers.d/x.bak": "no ALL=ALL",
        "/home/bob/.ssh/authorized_keys": f'command="x" {KEY} bob@example.org\nnonsense\n',
    })  # fmt: skip
    found = held(users.collect(ground))
    assert found["group:sudo"] == {"gid": 27, "members": ["alice", "bob"]}
    assert "sudoers:/etc/sudoers: root ALL=(ALL) ALL" in found
    assert any(key.startswith("sudoers:/etc/sudoers.d/bob: bob") for key in found)
    assert not any("x.bak" in key for key in found)
    (key, state), (odd, _) = [one for one in found.items() if one[0].startswith("ssh:")]
    assert key.startswith("ssh:/home/bob/.ssh/authorized_keys: SHA256:")
    assert (state["options"], state["comment"]) == ('command="x"', "bob@example.org")
    assert "unreadable" in odd


def test_packages_of_dpkg_apk_and_pacman(machine: Callable[[Tree], Ground]) -> None:
    status = (
        "Package: dpkg\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n"
        "Package: libc6\nStatus: install ok installed\nArchitecture: i386\nVersion: 2\n"
        "Description: a\n b\n\nPackage: libc6\nArchitecture: amd64\nVersion: 2\n"
        "Status: deinstall ok config-files\n\nNonsense\n"
    )
    ground = machine({
        "/var/lib/dpkg/status": status, "/var/lib/dpkg/info/libc6:i386.md5sums": "0  a\n",
        "/lib/apk/db/installed": "C:Q1x\nP:musl\nV:1.2\nA:x86_64\n\n",
        "/var/lib/pacman/local/bash-5/desc": "%NAME%\nbash\n\n%VERSION%\n5\n\n%ARCH%\nx86_64\n",
    })  # fmt: skip
    found = held(packages.collect(ground))
    assert set(found) == {"dpkg", "libc6", "libc6:i386", "musl", "bash"}
    assert found["libc6"]["status"] == "deinstall ok config-files"
    assert "md5sums" in found["libc6:i386"]
    assert (found["musl"]["version"], found["bash"]["manager"]) == ("1.2", "pacman")


def test_a_database_of_rpm_that_cannot_be_asked_is_told(
    machine: Callable[[Tree], Ground], monkeypatch: pytest.MonkeyPatch
) -> None:
    from sakimori.endpoint.run import Ran  # noqa: PLC0415

    ground = machine({"/var/lib/rpm/rpmdb.sqlite": ""})
    monkeypatch.setattr(packages, "run", lambda *_, **__: Ran(None, b"", b"", "not found"))
    assert held(packages.collect(ground)) == {}
    assert [gap.reason for gap in ground.gaps] == ["rpm: not found"]
    said = b"bash\t0:5.2-1\tx86_64\tff\nkernel\t0:6.1-1\tx86_64\taa\nkernel\t0:6.2-1\tx86_64\tbb\n"
    monkeypatch.setattr(packages, "run", lambda *_, **__: Ran(0, said, b""))
    found = held(packages.collect(machine({})))
    assert found["bash"]["version"] == "5.2-1"
    assert set(found) == {"bash", "kernel", "kernel (2)"}


def test_units_with_what_overrides_extends_masks_and_starts_them(
    machine: Callable[[Tree], Ground],
) -> None:
    ground = machine({
        "/usr/lib/systemd/system/a.service": "[Service]\nExecStart=/bin/a \\\n -x\nUser=nobody\n",
        "/usr/lib/systemd/system/b.service": "[Service]\nExecStart=/bin/b\n",
        "/usr/lib/systemd/system/c.service": "[Service]\nExecStart=/bin/c\n",
        "/etc/systemd/system/b.service": "[Service]\nExecStart=/opt/evil\n",
        "/etc/systemd/system/c.service": "-> /dev/null",
        "/etc/systemd/system/a.service.d/x.conf": "[Service]\nExecStartPre=/opt/evil\n",
        "/etc/systemd/system/multi-user.target.wants/a.service": "-> /usr/lib/systemd/system/a.service",
        "/lib": "-> usr/lib", "/etc/init.d/old": "#!/bin/sh\n", "/etc/rc2.d/S01old": "-> ../init.d/old",
    })  # fmt: skip
    found = held(services.collect(ground))
    assert found["a.service"]["ExecStart"] == ["/bin/a -x"]
    assert found["a.service"]["enabled"] == [
        "/etc/systemd/system/multi-user.target.wants/a.service"
    ]
    assert found["a.service"]["drop_ins"][0]["ExecStartPre"] == ["/opt/evil"]
    assert found["b.service"]["ExecStart"] == ["/opt/evil"]
    assert found["c.service"]["masked"] is True
    assert found["init.d/old"]["enabled"] == ["/etc/rc2.d/S01old"]


@pytest.mark.parametrize(
    ("line", "user", "key", "state"),
    [
        ("17 * * * * root  run-parts /etc/x", None, "F: run-parts /etc/x",
         {"schedule": "17 * * * *", "user": "root", "command": "run-parts /etc/x"}),
        ("@reboot root a  b", None, "F: a  b", {"schedule": "@reboot", "user": "root", "command": "a  b"}),
        ("* * * * * a=b c", "bob", "F: a=b c", {"schedule": "* * * * *", "user": "bob", "command": "a=b c"}),
        ("PATH=/bin:/tmp", "bob", "F: PATH", {"value": "/bin:/tmp"}),
        ("nonsense", "bob", "F: nonsense", {"unreadable": "nonsense"}),
    ],
)  # fmt: skip
def test_a_line_of_a_crontab(line: str, user: str | None, key: str, state: dict[str, str]) -> None:
    assert jobs.crontab("F", line, user) == (key, {"source": "F", **state})


def test_jobs_of_cron_anacron_at_and_timers(machine: Callable[[Tree], Ground]) -> None:
    ground = machine({
        "/etc/crontab": "# x\n5 4 * * * root a\u2028* * * * * root hidden\n5 5 * * * root b\n6 6 * * * root b\n",
        "/etc/cron.d/y": "* * * * * nobody \udcff\n", "/var/spool/cron/crontabs/bob": "@daily c\n",
        "/etc/cron.daily/z": "#!/bin/sh\n", "/etc/cron.daily/.placeholder": "",
        "/etc/anacrontab": "SHELL=/bin/sh\n1 5 cron.daily nice run-parts\n",
        "/var/spool/cron/atjobs/a0000101234567": "#!/bin/sh\n", "/var/spool/cron/atjobs/.SEQ": "1",
        "/usr/lib/systemd/system/t.timer": "[Timer]\nOnCalendar=daily\n",
    })  # fmt: skip
    found = held(jobs.collect(ground))
    assert set(found) == {
        "/etc/crontab: a\u2028* * * * * root hidden", "/etc/crontab: b", "/etc/crontab: b (2)",
        "/etc/cron.d/y: \udcff", "/var/spool/cron/crontabs/bob: c", "/etc/cron.daily/z",
        "/etc/anacrontab: SHELL", "/etc/anacrontab: nice run-parts",
        "/var/spool/cron/atjobs/a0000101234567", "t.timer",
    }  # fmt: skip
    assert found["t.timer"]["starts"] == "t.service"
    assert found["/var/spool/cron/atjobs/a0000101234567"]["minute"] == 0x01234567
    assert found["/etc/cron.d/y: \udcff"]["user"] == "nobody"


def test_links_stay_inside_of_the_root(machine: Callable[[Tree], Ground], tmp_path: Path) -> None:
    ground = machine({
        "/etc/passwd": "-> /../../../../inside", "/inside": "x:x:1:1::/:/\n",
        "/loop": "-> /loop", "/etc/group": "-> /loop",
    })  # fmt: skip
    (tmp_path.parent / "inside").write_text("outside:x:1:1::/:/\n")
    assert list(held(users.collect(ground))) == ["x"]
    assert [(gap.key, gap.reason) for gap in ground.gaps] == [("/etc/group", "links in circles")]


def test_kernel_modules_with_parameters_and_signature(machine: Callable[[Tree], Ground]) -> None:
    ground = machine({
        "/proc/modules": "evil 4096 0 - Live 0x0 (OE)\nnf 8192 1 evil, Live 0x0\n",
        "/proc/sys/kernel/osrelease": "6.1\n", "/proc/sys/kernel/tainted": "12288\n",
        "/proc/cmdline": "quiet\n", "/sys/module/evil/parameters/port": "31337\n",
        "/lib/modules/6.1/modules.dep": "extra/evil.ko:\nkernel/nf.ko.xz:\n",
        "/lib/modules/6.1/extra/evil.ko": "ELF",
    })  # fmt: skip
    found = held(modules.collect(ground))
    assert found["(kernel)"]["tainted"] == "12288"
    assert found["evil"] == {
        "size": 4096, "taints": ["from outside the kernel's tree", "unsigned"],
        "parameters": {"port": "31337"}, "source": "/lib/modules/6.1/extra/evil.ko", "signed": False,
    }  # fmt: skip
    assert found["nf"]["source"] == "/lib/modules/6.1/kernel/nf.ko.xz"


def test_a_kernel_without_modules_is_told(machine: Callable[[Tree], Ground]) -> None:
    ground = machine({})
    assert held(modules.collect(ground)) == {}
    assert ground.gaps[0].key == ""


def test_a_socket_that_listens_is_found_with_its_program() -> None:
    import socket  # noqa: PLC0415

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        found = held(sockets.collect(Ground()))
    state = found[f"tcp 127.0.0.1:{port}"]
    assert (state["protocol"], state["address"], state["port"]) == ("tcp", "127.0.0.1", port)
    assert any("python" in program[0] for program in state["programs"])
