from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sakimori.endpoint.registry.names import canonical, display, exact, parent, upper

RUN = r"HKLM\SOFTWARE\MICROSOFT\RUN"


@pytest.mark.parametrize(
    "written",
    [
        r"SOFTWARE\Microsoft\Run",
        r"HKLM\Software\microsoft\run",
        r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Run\ ".strip(),
        r"\REGISTRY\MACHINE\SOFTWARE\Microsoft\Run",
        r"\Registry\Machine\Software\Microsoft\Run",
        r"HKLM:\SOFTWARE\Microsoft\Run",
        r"Registry::HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Run",
        r"Computer\HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Run",
        r"MACHINE\SOFTWARE\Microsoft\Run",
    ],
)
def test_one_key_has_one_canonical_name(written: str) -> None:
    assert canonical(written) == RUN


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        (r"SYSTEM\ControlSet001\Services", r"HKLM\SYSTEM\CURRENTCONTROLSET\SERVICES"),
        (r"HKLM\System\CurrentControlSet\Services", r"HKLM\SYSTEM\CURRENTCONTROLSET\SERVICES"),
        (r"SYSTEM\ControlSet001x\Services", r"HKLM\SYSTEM\CONTROLSET001X\SERVICES"),
        (r"NTUSER.DAT\Software\X", r"HKCU\SOFTWARE\X"),
        ("UsrClass.dat\\CLSID", r"HKCU\SOFTWARE\CLASSES\CLSID"),
        (r"HKU\S-1-5-21-1-2-3-500_Classes\CLSID", r"HKU\S-1-5-21-1-2-3-500\SOFTWARE\CLASSES\CLSID"),
        (r"HKCR\CLSID", r"HKLM\SOFTWARE\CLASSES\CLSID"),
        (r"\REGISTRY\USER\S-1-5-18\X", r"HKU\S-1-5-18\X"),
        (r"SOFTWARE\Wow6432Node\X", r"HKLM\SOFTWARE\WOW6432NODE\X"),
        (r"mine\Straße", r"MINE\STRAßE"),
        ("HKLM", "HKLM"),
    ],
)
def test_places_that_have_several_names(written: str, wanted: str) -> None:
    assert canonical(written) == wanted


def test_exact_keeps_control_sets_apart() -> None:
    assert exact(r"SYSTEM\ControlSet001\X") != exact(r"SYSTEM\ControlSet002\X")


def test_display_is_regedits_spelling_with_the_case_kept() -> None:
    assert display(r"hklm\Software\Ab") == r"HKEY_LOCAL_MACHINE\Software\Ab"
    assert display(r"NTUSER.DAT\Software") == r"HKEY_CURRENT_USER\Software"
    assert display(r"evidence7\Software") == r"evidence7\Software"


def test_parent_of_a_root_is_nothing() -> None:
    assert parent(r"A\B\C") == r"A\B"
    assert parent("A") == ""


@given(st.text(max_size=40))
def test_naming_twice_changes_nothing(name: str) -> None:
    assert len(upper(name)) == len(name)
    once = exact(name)
    assert exact(once) == once or once.partition("\\")[0] != name.upper().partition("\\")[0]
