"""The simulation as a whole: its files, its truth, its promises."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
import socket
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from sakimori.errors import ConfigError, SourceError
from sakimori.readers import Options, Reject, Source, zeek_tsv
from sakimori.simulate import BOTNETS, Plan, simulate
from sakimori.simulate.addresses import INSIDE, NAMES, OUTSIDE
from sakimori.simulate.events import LOGS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HOST_IN_URL = re.compile(r"https?://([^/\s]+)")
TABLE_OF = {
    "conn": "conn",
    "dns": "dns",
    "http": "http",
    "ssl": "tls",
    "smtp": "mail",
    "irc": "irc",
    "ssh": "ssh",
    "x509": "cert",
    "files": "files",
}


def digests(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def test_the_same_plan_writes_the_same_bytes(
    infested: Any, make_day: Callable[[Plan], Any]
) -> None:
    again = make_day(infested.plan)
    assert digests(infested.folder) == digests(again.folder)
    assert set(digests(again.folder)) == {*(f"{log}.log" for log in LOGS), "truth.json"}


def test_another_seed_writes_other_bytes(infested: Any, make_day: Callable[[Plan], Any]) -> None:
    one = digests(infested.folder)
    other = digests(make_day(replace(infested.plan, seed=6)).folder)
    assert {name for name in one if one[name] == other[name]} == {"irc.log"}  # it has no rows


def test_bots_do_not_change_what_others_do(calm: Any, infested: Any) -> None:
    clean = set(infested.truth.clean) - {"10.0.0.10"}  # the resolver asks more

    def seen(it: Any) -> list[tuple[str, ...]]:
        return [(r["ts"], r["id.orig_h"], r["id.resp_h"]) for r in it.rows("conn", *clean)]

    assert len(seen(calm)) > 1000
    assert seen(calm) == seen(infested)


def test_nothing_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_more: object) -> None:
        raise AssertionError("the simulator opened a socket")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    simulate(tmp_path / "out", Plan(hosts=24, botnets={"spam": 1, "irc-scanner": 1}))


@pytest.mark.parametrize("log", LOGS)
def test_a_log_is_in_order_of_time_and_within_the_day(day: Any, log: str) -> None:
    times = [float(row["ts"]) for row in day.logs[log]]
    begin = day.plan.start.timestamp()
    assert times == sorted(times)
    assert len(times) > 20
    assert times[0] >= begin
    assert times[-1] < begin + 86_400


@pytest.mark.parametrize("log", LOGS)
def test_the_zeek_reader_takes_every_row(day: Any, log: str) -> None:
    source = Source(day.folder / f"{log}.log")
    assert zeek_tsv.recognises(source)
    parts = list(zeek_tsv.read(source, Options()))
    assert [part for part in parts if isinstance(part, Reject)] == []
    rows = [part for part in parts if not isinstance(part, Reject)]
    assert {part.table for part in rows} == {TABLE_OF[log]}
    assert sum(part.batch.num_rows for part in rows) == len(day.logs[log])


@pytest.mark.parametrize("log", LOGS)
def test_a_log_begins_and_ends_as_zeeks_do(day: Any, log: str) -> None:
    lines = (day.folder / f"{log}.log").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "#separator \\x09"
    assert lines[4] == f"#path\t{log}"
    assert lines[5].startswith("#open\t2026-03-02-")
    assert len(lines[6].split("\t")) == len(lines[7].split("\t"))
    assert lines[-1].startswith("#close\t2026-03-02-")


def test_a_log_without_rows_has_its_header(calm: Any) -> None:
    assert calm.logs["irc"] == []
    source = Source(calm.folder / "irc.log")
    assert zeek_tsv.recognises(source)
    assert list(zeek_tsv.read(source, Options())) == []


@pytest.mark.parametrize("log", [log for log in LOGS if log not in ("conn", "x509")])
def test_uids_join_to_the_connection_of_the_same_ends(day: Any, log: str) -> None:
    ends = ("id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p")
    conns = {row["uid"]: row for row in day.logs["conn"]}
    assert len(conns) == len(day.logs["conn"])
    for row in day.logs[log]:
        conn = conns[row["uid"]]
        assert all(row[end] == conn[end] for end in ends)
        assert float(row["ts"]) >= float(conn["ts"])


def test_one_packet_has_neither_duration_nor_bytes(day: Any) -> None:
    for row in day.logs["conn"]:
        single = int(row["orig_pkts"]) + int(row["resp_pkts"]) == 1
        unset = {row[name] == "-" for name in ("duration", "orig_bytes", "resp_bytes")}
        assert unset == {single}


def test_bytes_fit_into_their_packets(day: Any) -> None:
    for row in day.logs["conn"]:
        if row["orig_bytes"] != "-":
            assert int(row["orig_bytes"]) <= 1500 * int(row["orig_pkts"])
            assert int(row["resp_bytes"]) <= 1500 * int(row["resp_pkts"])


@pytest.mark.parametrize("seed", [2**40])
def test_every_address_is_inside_or_belongs_to_nobody(
    make_day: Callable[[Plan], Any], seed: int
) -> None:
    made = make_day(Plan(hosts=32, seed=seed, botnets=dict.fromkeys(BOTNETS, 1)))
    allowed = [ipaddress.ip_network(net) for net in (*INSIDE, *OUTSIDE)]
    seen = {row[end] for row in made.logs["conn"] for end in ("id.orig_h", "id.resp_h")}
    for row in made.logs["dns"]:
        if row["qtype_name"] in ("A", "AAAA") and row["answers"] != "-":
            seen |= set(row["answers"].split(","))
    assert len(seen) > 1000
    for text in seen:
        address = ipaddress.ip_address(text)
        assert any(address in net for net in allowed if net.version == address.version), text
    assert all(row["id.orig_h"] != row["id.resp_h"] for row in made.logs["conn"])


def test_every_name_belongs_to_nobody(day: Any) -> None:
    names = {row["query"] for row in day.logs["dns"]}
    names |= {row["host"] for row in day.logs["http"]}
    names |= {row["server_name"] for row in day.logs["ssl"]}
    for row in day.logs["smtp"]:
        names.add(row["helo"])
        names |= {row[part].rpartition("@")[2] for part in ("mailfrom", "rcptto")}
    for row in day.logs["http"]:
        names |= set(HOST_IN_URL.findall(" ".join(row.values())))
    assert len(names) > 1000
    named = {name for name in names - {"-"} if not name.replace(".", "").isdigit()}
    assert [name for name in named if not name.endswith(NAMES)] == []
    for address in names - named - {"-"}:
        assert any(
            ipaddress.ip_address(address) in ipaddress.ip_network(net) for net in OUTSIDE[:3]
        )


def test_a_certificate_is_logged_once_and_has_the_print_of_its_handshakes(day: Any) -> None:
    prints = [row["fingerprint"] for row in day.logs["x509"]]
    assert len(set(prints)) == len(prints)
    shown = {row["cert_chain_fps"].split(",")[0] for row in day.logs["ssl"]} - {"-"}
    assert set(prints) == shown
    for row in day.logs["x509"]:
        begin, end = (float(row[f"certificate.not_valid_{side}"]) for side in ("before", "after"))
        assert begin < float(row["ts"]) < end
    own = [r for r in day.logs["x509"] if r["certificate.subject"] == r["certificate.issuer"]]
    assert 3 <= len(own) < 0.4 * len(prints)


def test_a_file_has_the_id_that_its_request_names(day: Any) -> None:
    fetched = {row["resp_fuids"]: row for row in day.logs["http"] if row["resp_fuids"] != "-"}
    assert len(fetched) == len(day.logs["files"])
    for row in day.logs["files"]:
        asked = fetched[row["fuid"]]
        assert row["uid"] == asked["uid"]
        assert row["seen_bytes"] == asked["response_body_len"]
    same = [r["md5"] for r in day.logs["files"] if r["mime_type"] == "application/octet-stream"]
    assert len(set(same)) <= len(same)


def test_the_truth_on_disk_is_the_truth_returned(day: Any) -> None:
    told = json.loads((day.folder / "truth.json").read_text(encoding="utf-8"))
    assert set(told) == {field.name for field in fields(day.truth)}
    assert told["internal"] == ["10.0.0.0/8"]
    assert told["infected"] == sorted({bot["host"] for bot in told["bots"]})
    assert len(told["infected"]) == sum(day.plan.botnets.values())
    assert set(told["bots"][0]) == {"host", "family", "does", "controllers", "technique"}
    assert tuple(told["controllers"]) == day.truth.controllers


def test_each_host_is_either_clean_or_infected(day: Any) -> None:
    truth = day.truth
    assert set(truth.infected).isdisjoint(truth.clean)
    assert len(truth.infected) + len(truth.clean) == day.plan.hosts
    inside = {row["id.orig_h"] for row in day.logs["conn"] if row["id.orig_h"].startswith("10.")}
    assert inside <= {*truth.infected, *truth.clean}


def test_bots_call_their_controllers(day: Any) -> None:
    called: dict[str, set[str]] = {}
    for row in day.logs["conn"]:
        called.setdefault(row["id.orig_h"], set()).add(row["id.resp_h"])
    for row in day.logs["dns"]:
        called[row["id.orig_h"]] |= {row["query"], ".".join(row["query"].split(".")[-3:])}
    by_family: dict[str, set[str]] = {}
    for bot in day.truth.bots:
        assert bool(bot.controllers) == (bot.family != "p2p-clickfraud")
        assert not bot.controllers or called[bot.host].intersection(bot.controllers), bot
        by_family.setdefault(bot.family, set()).update(called[bot.host])
    for bot in day.truth.bots:  # no bot needs to be awake for all of them
        assert set(bot.controllers) <= by_family[bot.family], bot


def test_no_clean_host_calls_a_controller(day: Any) -> None:
    clean, controllers = day.truth.clean, set(day.truth.controllers)
    domains = tuple(name for name in controllers if name.endswith(NAMES))
    assert {row["id.resp_h"] for row in day.rows("conn", *clean)}.isdisjoint(controllers)
    asking = {row["id.orig_h"] for row in day.rows("dns", *clean) if row["query"].endswith(domains)}
    assert asking == {"10.0.0.10"}  # the resolver, on their behalf
    assert {row["host"] for row in day.rows("http", *clean)}.isdisjoint(controllers)


def test_the_default_day_has_a_plausible_size(make_day: Callable[[Plan], Any]) -> None:
    folder = make_day(Plan()).folder
    rows = {log: (folder / f"{log}.log").read_bytes().count(b"\n") for log in LOGS}
    assert 150_000 < rows["conn"] < 400_000
    assert 50_000 < rows["dns"] < rows["conn"]
    assert 20_000 < rows["ssl"] < 100_000


def test_a_weekend_is_quieter(calm: Any, make_day: Callable[[Plan], Any]) -> None:
    saturday = make_day(replace(calm.plan, start=datetime(2026, 3, 7, tzinfo=UTC)))
    assert len(saturday.logs["ssl"]) < 0.7 * len(calm.logs["ssl"])


def test_two_days_have_twice_the_time(make_day: Callable[[Plan], Any]) -> None:
    made = make_day(Plan(hosts=22, days=2, botnets={"dga": 1, "beacon": 1}))
    begin = made.plan.start.timestamp()
    per_day = [
        sum((float(r["ts"]) - begin) // 86_400 == d for r in made.logs["conn"]) for d in (0, 1)
    ]
    assert sum(per_day) == len(made.logs["conn"])
    assert max(per_day) < 1.5 * min(per_day)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        pytest.param({"botnets": {"beacn": 1}}, "beacn", id="unknown botnet"),
        pytest.param({"botnets": {"spam": 70}}, "infect 70", id="more bots than computers"),
        pytest.param({"botnets": {"spam": -1}}, "-1", id="negative bots"),
        pytest.param({"hosts": 3}, "hosts is 3", id="too few hosts"),
        pytest.param({"days": 0}, "days is 0", id="no day"),
        pytest.param({"beacon_jitter": 1.5}, "beacon_jitter", id="jitter over the period"),
        pytest.param({"orders_by": "pigeon"}, "pigeon", id="unknown channel"),
        pytest.param({"orders_a_day": 0}, "orders_a_day is 0", id="no order"),
        pytest.param({"obey_within": 0.0}, "obey_within", id="at once"),
        pytest.param({"start": datetime(2026, 3, 2)}, "time zone", id="naive start"),  # noqa: DTZ001
    ],
)
def test_an_impossible_plan_is_refused(tmp_path: Path, settings: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        simulate(tmp_path / "out", Plan(**settings))
    assert list(tmp_path.iterdir()) == []


def test_a_misspelt_botnet_gets_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        simulate(tmp_path, Plan(botnets={"beacn": 1}))
    assert "'beacon'" in refused.value.hint


def test_logs_that_are_there_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "conn.log").write_text("mine", encoding="utf-8")
    with pytest.raises(SourceError, match="not overwritten"):
        simulate(tmp_path, Plan(hosts=20, botnets={}))
    assert (tmp_path / "conn.log").read_text(encoding="utf-8") == "mine"
    assert [p.name for p in tmp_path.iterdir()] == ["conn.log"]


def test_a_folder_that_cannot_be_made_is_an_error_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(SourceError, match="file"):
        simulate(tmp_path / "file" / "out", Plan(hosts=20, botnets={}))
