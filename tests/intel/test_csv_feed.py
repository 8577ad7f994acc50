from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

MD5, SHA1, SHA256 = "a1" * 16, "b2" * 20, "c3" * 32
FEODO = """################
# Feodo-like list #
################
"first_seen_utc","dst_ip","dst_port","c2_status","last_online","malware"
"2026-02-01 10:00:00","203.0.113.7","443","online","2026-02-20","QakBot"
# END 1 entries
"""
URLHAUS = """# a remark, with commas
# id,dateadded,url,url_status,last_online,threat,tags,urlhaus_link,reporter
"7","2026-02-01 10:00:00","http://203.0.113.7:8080/i,j","online","2026-02-02 00:00:00","malware_download","elf,mozi","x","y"
"""
THREATFOX = f"""# "first_seen_utc","ioc_id","ioc_value","ioc_type","threat_type","fk_malware","malware_alias","malware_printable","last_seen_utc","confidence_level","is_compromised","reference","tags","anonymous","reporter"
"2026-02-01 10:00:00", "1", "203.0.113.7:4444", "ip:port", "botnet_cc", "win.remcos", "None", "Remcos", "", "75", "False", "None", "Remcos", "0", "z"
"2026-02-01 10:00:00", "2", "{SHA256}", "sha256_hash", "payload", "x", "None", "Unknown malware", "", "100", "False", "None", "", "0", "z"
"2026-02-01 10:00:00", "3", "{"d4" * 48}", "sha3_384_hash", "payload", "x", "None", "Remcos", "", "100", "False", "None", "", "0", "z"
"""
SSLBL = f"""# ja3_md5,Firstseen,Lastseen,Listingreason
{MD5},2026-01-01 00:00:00,2026-02-01 00:00:00,Dridex
"""
SSLBL_CERT = f"# Listingdate,SHA1,Listingreason\n2026-01-01 00:00:00,{SHA1},Dridex C&C\n"


def brief(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["kind"], row["value"], row["port"], row["family"], row["confidence"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (FEODO, [("address", "203.0.113.7", 443, "QakBot", 0.5)]),
        (URLHAUS, [("url", "http://203.0.113.7:8080/i,j", 8080, None, 0.5)]),
        (
            THREATFOX,
            [("address", "203.0.113.7", 4444, "Remcos", 0.75), ("sha256", SHA256, None, None, 1.0)],
        ),
        (SSLBL, [("ja3", MD5, None, "Dridex", 0.5)]),
        (SSLBL_CERT, [("sha1", SHA1, None, "Dridex", 0.5)]),
        ("domain\nevil.example\n", [("name", "evil.example", None, None, 0.5)]),
        (
            "Indicator;Type;Malware Family;Confidence\nevil.example;Domain;Mozi;80%\n",
            [("name", "evil.example", None, "Mozi", 0.8)],
        ),
        (
            "ip\tport\tconfidence\n203.0.113.7\t22\thigh\n",
            [("address", "203.0.113.7", 22, None, 0.85)],
        ),
        (
            f"md5,sha256,ip,domain\n{MD5},{SHA256},203.0.113.7,evil.example\n",
            [
                ("md5", MD5, None, None, 0.5),
                ("sha256", SHA256, None, None, 0.5),
                ("name", "evil.example", None, None, 0.5),
            ],
        ),
        (
            "value,type\n203.0.113.7|443,ip-dst|port\n",
            [("address", "203.0.113.7", 443, None, 0.5)],
        ),
    ],
    ids=[
        "feodo",
        "urlhaus",
        "threatfox",
        "ja3",
        "cert",
        "column",
        "semicolon",
        "tab",
        "row",
        "misp",
    ],
)
def test_each_feed_gives_its_indicators(
    loaded: Callable[..., Any], text: str, expected: list[Any]
) -> None:
    for ends in (text, text.replace("\n", "\r\n")):
        assert [brief(row) for row in loaded(ends)[0]] == expected


def test_times_labels_and_validity_come_from_the_row(loaded: Callable[..., Any]) -> None:
    [row], rejects = loaded(FEODO)
    assert rejects == []
    assert row["first_seen"] == datetime(2026, 2, 1, 10, tzinfo=UTC)
    assert row["expires"] == datetime(2026, 3, 22, tzinfo=UTC)  # 30 days after last_online
    assert row["label"] == "online"


def test_a_feed_with_nothing_in_it_today_is_no_error(loaded: Callable[..., Any]) -> None:
    assert loaded("\n".join(FEODO.splitlines()[:4])) == ([], [])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("203.0.113.8", "1 fields, not 3"),
        ("203.0.113.8,1,2,3", "4 fields, not 3"),
        (",22,Mozi", "no indicator"),
        ("10.0.0.1,22,Mozi", "your own hosts"),
        ('"203.0.113.8,22,Mozi', "1 fields, not 3"),
    ],
)
def test_a_bad_row_is_told_with_its_line(
    loaded: Callable[..., Any], line: str, reason: str
) -> None:
    rows, [reject] = loaded(f"ip,port,family\n203.0.113.7,22,Mozi\n{line}\n203.0.113.9,,\n")
    assert [row["value"] for row in rows] == ["203.0.113.7", "203.0.113.9"]
    assert reject.line == 3
    assert reason in reject.reason


def test_a_type_no_table_holds_is_told(loaded: Callable[..., Any]) -> None:
    [reject] = loaded(THREATFOX)[1]
    assert "sha3_384_hash" in reject.reason


def test_rows_not_for_detection_are_counted_unless_asked_for(loaded: Callable[..., Any]) -> None:
    text = "value,type,to_ids\na.example,domain,1\nb.example,domain,0\n"
    rows, [reject] = loaded(text)
    assert [row["value"] for row in rows] == ["a.example"]
    assert reject.reason.startswith("1 rows: not marked for detection")
    assert len(loaded(text, context=True)[0]) == 2
