"""Every recipe that is shipped: loads, says who says so, finds what it should, nothing on a clean machine."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from sakimori.endpoint.recipes import Recipe, load

DATA = Path(str(files("sakimori.endpoint.recipes").joinpath("data")))
RECIPES = {path.stem: load(path) for path in sorted(DATA.glob("*.yaml"))}
NT = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion"
RUN = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Run"
SERVICES = r"SYSTEM\CurrentControlSet\Services"
CLSID = r"SOFTWARE\Classes\CLSID"
BIN = "/$Recycle.Bin/S-1-5-18/$" + "0123456789abcdef" * 2
BOT = "/var/tmp/sakimori-test-bot"  # noqa: S108 - within a folder
MARKER = "SAKIMORI-TEST-FAMILY-" + "7c1f2e90-harmless"


def clean_windows(box: Any) -> None:
    """Write what every Windows has at the places where recipes look."""
    for name in ("userinit.exe", "shell32.dll", "twext.dll", "oembios.bin", "drivers/beep.sys"):
        box.put(f"/Windows/System32/{name}", "Windows' own")
    box.put("/Windows/System32/drivers/etc/hosts", "127.0.0.1 localhost\r\n")
    box.put("/$Recycle.Bin/S-1-5-18/desktop.ini", "x")
    box.put("/Users/u/AppData/Roaming/x.txt", "x")
    for name, text in (("aux", "wdmaud.drv"), ("midi", "wdmaud.drv"), ("midi1", "other.drv")):
        box.value(rf"{NT}\Drivers32", name, text)
    box.value(rf"{NT}\Winlogon", "Shell", "explorer.exe")
    box.value(rf"{NT}\Winlogon", "Userinit", r"C:\Windows\system32\userinit.exe,")
    box.value(RUN, "Notes", r"C:\Tools\notes.exe")
    shell = r"%SystemRoot%\system32\shell32.dll"
    box.value(rf"{CLSID}\{{fbeb8a05-beee-4442-804e-409d6c4515e9}}\InprocServer32", "",
              shell.encode("utf-16-le") + b"\0\0", 2)  # fmt: skip
    box.value(r"NTUSER\Software\Microsoft\Windows NT\CurrentVersion\Winlogon", "X", "y")
    for name in ("mpsdrv", "BFE", "MpsSvc", "iphlpsvc", "wscsvc", "Beep"):
        box.value(rf"{SERVICES}\{name}", "ImagePath", rf"\SystemRoot\system32\drivers\{name}.sys")
        box.value(rf"{SERVICES}\{name}", "Start", b"\2\0\0\0", 4)


def clean_linux(box: Any) -> None:
    """Write what every Linux has at the places where recipes look."""
    box.put("/etc/hosts", "127.0.0.1 localhost\n")
    box.put("/etc/crontab", "17 * * * * root run-parts /etc/cron.hourly\n")
    box.put("/etc/systemd/system/ssh.service", "[Service]\nExecStart=/usr/sbin/sshd\n")
    box.link("/etc/systemd/system/multi-user.target.wants/ssh.service", "../ssh.service")
    box.put("/home/u/.profile", "export EDITOR=vi\n")
    box.put("/home/u/.config/autostart/notes.desktop", "Exec=/usr/bin/notes\n")
    box.put("/var/tmp/notes", "x")  # noqa: S108 - within a folder


def daonol(box: Any) -> None:
    bad = r"C:\WINDOWS\Temp\a\..\xyz.tmp"
    for name in ("aux", "aux1", "aux2", "midi", "midi9"):
        box.value(rf"{NT}\Drivers32", name, bad)
    for name, text in (("Shell", "Explorer.exe"), ("Userinit", r"C:\Windows\userinit.exe,")):
        box.value(rf"{NT}\Winlogon", name, text.encode("utf-16-le"))


def zeus(box: Any) -> None:
    box.value(rf"{NT}\Winlogon", "Userinit",
              r"C:\WINDOWS\system32\userinit.exe,C:\WINDOWS\system32\sdra64.exe,")  # fmt: skip
    box.value(RUN.replace("SOFTWARE", r"NTUSER\Software"), "userinit", r"C:\x\sdra64.exe")
    for path in (
        "ntos.exe", "oembios.exe", "twext.exe", "sdra64.exe", "lowsec/local.ds", "lowsec/user.ds",
        "wsnpoem/audio.dll", "wsnpoem/video.dll", "sysproc64/sysproc86.sys", "twain_32/local.ds",
    ):  # fmt: skip
        box.put(f"/Windows/System32/{path}", "made up")
    for path in ("wsnpoem/audio.dll", "sdra64.exe"):
        box.put(f"/Users/u/AppData/Roaming/{path}", "made up")


def zeroaccess(box: Any) -> None:
    bad = r"C:\$Recycle.Bin\S-1-5-18\$0123\n."
    for root in (CLSID, r"NTUSER\Software\Classes\CLSID"):
        for ident in (
            "{42aedc87-2188-41fd-b9a3-0c966feabec1}", "{fbeb8a05-beee-4442-804e-409d6c4515e9}",
            "{F3130CDB-AA52-4C3A-AB32-85FFC23AF9C1}",
        ):  # fmt: skip
            box.value(rf"{root}\{ident}\InprocServer32", "", bad)
    box.value(r"NTUSER\Software\Microsoft\Windows NT\CurrentVersion\Winlogon", "Shell",
              r"C:\Users\u\AppData\Local\c397c700\X")  # fmt: skip
    for path in (
        f"{BIN}/n", f"{BIN}/@", f"{BIN}/U/80000032.@",
        f"{BIN.replace('$Recycle.Bin', 'RECYCLER')}/n", f"{BIN.replace('$Recycle.Bin', 'RECYCLER')}/@",
    ):  # fmt: skip
        box.put(path, "made up")
    for name in ("BFE", "MpsSvc", "iphlpsvc", "wscsvc"):
        box.registry.delete_key(rf"{SERVICES}\{name}")


def rustock(box: Any) -> None:
    for name, image in (
        ("pe386", r"\??\C:\WINDOWS\system32:lzx32.sys"), ("x", r"system32\drivers\glaide32.sys"),
        ("0a1b2c3d", r"\SystemRoot\system32\drivers\0a1b2c3d.sys"),
    ):  # fmt: skip
        box.value(rf"{SERVICES}\{name}", "ImagePath", image)
        box.value(rf"{SERVICES}\{name}", "Start", b"\1\0\0\0", 4)
    for path in ("drivers/glaide32.sys", "glaide32.sys", "lzx32.sys", "drivers/lzx32.sys"):
        box.put(f"/Windows/System32/{path}", "made up")


def waledac(box: Any) -> None:
    box.value(RUN, "PromoReg", r"C:\x\y.exe")


def sakimori_test(box: Any) -> None:
    exe = r"C:\Windows\System32\sakimori-test.exe"
    box.put(BOT, f"# {MARKER}\n")
    box.put("/Windows/System32/sakimori-test.exe", MARKER)
    box.put("/etc/systemd/system/sakimori-test.service", f"[Service]\nExecStart={BOT}\n")
    box.put("/etc/systemd/system/sakimori-test.timer", "Unit=sakimori-test.service\n")
    box.put("/etc/init.d/sakimori-test", f"{BOT}\n")
    box.value(rf"{SERVICES}\SakimoriTest", "ImagePath", exe)
    box.value(rf"{SERVICES}\SakimoriTest", "Start", b"\2\0\0\0", 4)
    box.put("/etc/cron.d/x", f"* * * * * root {BOT}\n")
    box.put("/var/spool/cron/atjobs/a1", f"{BOT}\n")
    box.put("/Windows/System32/Tasks/SakimoriTest", exe.encode("utf-16"))
    box.put("/etc/hosts", "192.0.2.1 update.sakimori-test.example\n")
    box.put("/home/u/.config/autostart/sakimori-test.desktop", f"Exec={BOT}\n")
    box.put("/etc/rc.local", f"{BOT}\n")
    box.put("/etc/ld.so.preload", f"{BOT}.so\n")
    box.put("/home/u/.bashrc", f"{BOT} &\n")
    box.put("/ProgramData/Microsoft/Windows/Start Menu/Programs/Startup/x.bat", exe)
    box.value(RUN, "SakimoriTest", exe)
    box.value(rf"{NT}\Winlogon", "Shell", f"explorer.exe,{exe}")


INFECT = {
    "daonol": daonol, "zeus": zeus, "zeroaccess": zeroaccess, "rustock": rustock,
    "waledac": waledac, "sakimori-test": sakimori_test,
}  # fmt: skip
# Items that a machine in a folder cannot show: programs run on live machines only.
LIVE_ONLY = ("process",)


@pytest.fixture(params=sorted(RECIPES))
def recipe(request: pytest.FixtureRequest) -> Recipe:
    return RECIPES[request.param]


def test_every_recipe_has_a_machine_to_be_tried_on() -> None:
    assert set(INFECT) == set(RECIPES)
    assert all(path == recipe.name for path, recipe in RECIPES.items()), "file and name are one"


def test_it_says_in_two_languages_what_it_is_about_and_who_says_so(recipe: Recipe) -> None:
    assert set(recipe.about) == {"en", "ja"}
    assert any("\u3040" <= char <= "\u30ff" for char in recipe.about["ja"]), "no kana, no Japanese"
    cited = {item.source for item in recipe.items}
    assert cited == {source.id for source in recipe.sources}, "each source is for something"
    assert not any("://" in source.reference for source in recipe.sources), "no live links"


def test_it_finds_nothing_on_a_clean_machine(recipe: Recipe, box: Any) -> None:
    clean_linux(box)
    clean_windows(box)
    found = box.find(recipe)
    assert [(f.where, f.found) for f in found.findings] == []
    assert {u.reason for u in found.unseen} <= {"not a live machine: no programs are looked at"}


def test_each_of_its_items_finds_what_it_is_for_and_is_undone(recipe: Recipe, box: Any) -> None:
    clean_linux(box)
    clean_windows(box)
    INFECT[recipe.name](box)
    before = box.state()
    found = box.find(recipe)
    lines = {f.line for f in found.findings}
    wanted = {i.line for i in recipe.items if type(i).__name__ != "ProcessItem"}
    assert wanted - lines == set(), "an item that found nothing"
    outcomes = box.clean(recipe)
    assert {o.outcome for o in outcomes} <= {"done", "reported"}, [o.reason for o in outcomes]
    left = [f for f in box.find(recipe).findings if f.deed != "report"]
    assert left == []
    assert {u.outcome for u in box.undo()} <= {"undone", "already"}
    assert box.state() == before
