from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as st

from sakimori.errors import ConfigError
from sakimori.takedown.sinkhole.config import settings_of, zone_name


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"sinkhol": {}}, "did you mean 'sinkhole'"),
        ({"sinkhole": {"zone": ["bad.example"]}}, "did you mean 'zones'"),
        ({"sinkhole": {"zones": ["bad"]}}, "no domain name"),
        ({"sinkhole": {"zones": ['bad.example"; include "x']}}, "no domain name"),
        ({"sinkhole": {"addresses": ["0.0.0.0"]}}, "every address"),  # noqa: S104 - it is refused
        ({"sinkhole": {"addresses": ["::"]}}, "every address"),
        ({"sinkhole": {"addresses": ["fe80::1%eth0"]}}, "one link"),
        ({"sinkhole": {"answers": ["nowhere"]}}, "no address"),
        ({"sinkhole": {"sensor": 'a"b'}}, "sensor"),
        ({"sinkhole": {"contact": "nobody"}}, "mailbox"),
        ({"sinkhole": {"contact": "a@b.example\nServer: x"}}, "mailbox"),
        ({"sinkhole": {"expires": "tomorrow"}}, "expires"),
        ({"sinkhole": {"ttl": -1}}, "ttl"),
        ({"ports": {"dns": 70_000}}, "no port"),
        ({"ports": {"dns": "53"}}, "right kind"),
        ({"limits": {"connections": 0}}, "connections"),
        ({"limits": {"slip": 99}}, "slip"),
        ({"log": {"rotate_mb": 0}}, "rotate_mb"),
        ({"privacy": {"bot_id": ["cookie:sid"]}}, "not known"),
        ({"privacy": {"bot_id": ["header:Authorization"]}}, "credential"),
        ({"privacy": {"bot_id": ["form:password"]}}, "credential"),
        ({"capture": {"until": "2030-01-01"}}, "reason"),
        ({"capture": {"reason": "x"}}, "end"),
        ({"capture": {"reason": "x", "until": "2030-01-01", "bytes_each": 10**9}}, "bounds"),
        ({"sinkhole": []}, "section"),
    ],
)
def test_a_wrong_setting_is_named_with_its_place(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        settings_of(values, "s.toml")
    assert "s.toml" in str(caught.value)


def test_defaults_listen_on_nothing_and_only_here() -> None:
    settings = settings_of({})
    assert settings.ports.dns is None
    assert settings.ports.tcp == ()
    assert not settings.sinkhole.is_public
    assert settings.capture is None


@pytest.mark.parametrize(
    ("text", "zone"),
    [("Bad.Example.", "bad.example"), ("_dmarc.bad.example", "_dmarc.bad.example"),
     ("テスト.example", "xn--zckzah.example"), ("a-b.xn--p1ai", "a-b.xn--p1ai")],
)  # fmt: skip
def test_a_zone_is_written_one_way(text: str, zone: str) -> None:
    assert zone_name(text) == zone


@trying(max_examples=50, deadline=None)
@given(st.text(max_size=40) | st.text('abc.-_"{};\n\\', max_size=20))
def test_no_name_can_break_a_configuration(text: str) -> None:
    try:
        name = zone_name(text)
    except ConfigError:
        return
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_.")
    assert zone_name(name) == name


def test_a_time_without_a_zone_is_utc() -> None:
    end = settings_of({"sinkhole": {"expires": "2030-01-01T00:00:00"}}).sinkhole.end
    assert end
    assert end.isoformat() == "2030-01-01T00:00:00+00:00"


def test_the_settings_that_the_guide_shows_are_settings() -> None:
    guide = (Path(__file__).parents[3] / "docs/guides/sinkhole.md").read_text("utf-8")
    shown = "".join(re.findall(r"(?ms)^```ini\n(.*?)^```$", guide))
    settings = settings_of(tomllib.loads(shown))
    assert settings.capture
    assert settings.sinkhole.is_public
    assert settings.sinkhole.authority
