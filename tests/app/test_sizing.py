from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sakimori.app.sizing import as_object, size_files, tell
from sakimori.cli import main
from sakimori.errors import ConfigError, SakimoriError, SourceError
from sakimori.simulate.population import Population, Provider, address, play

if TYPE_CHECKING:
    from pathlib import Path

HEADER = "time,ip,port,bot_id,asn\n"
GOOD = "2026-03-02T00:00:01Z,192.0.2.1,4000,,64500\n"


def write(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


@pytest.fixture(scope="module")
def hits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    nets = (Provider(asn=64_500, lease=12.0), Provider(asn=64_501, lease=72.0))
    made = play(Population(bots=150, days=4, providers=nets))
    lines = (
        f"{1_772_409_600 + t:.3f},{address(int(ip))},{port},,AS{asn}"
        for t, ip, port, asn in zip(made.time, made.ip, made.port, made.asn, strict=True)
    )
    return write(tmp_path_factory.mktemp("size") / "hits.csv", HEADER + "\n".join(lines) + "\n")


def test_the_json_is_what_the_schema_says(hits: Path) -> None:
    schema = json.loads(files("sakimori").joinpath("schemas/size.schema.json").read_text("utf-8"))
    found = as_object(size_files(hits))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(json.dumps(found)), schema)
    assert {row["asn"] for row in found["per_asn"]} == {"64500", "64501"}
    assert found["footprint"]["low"] <= 150 <= found["footprint"]["high"]


@pytest.mark.parametrize("form", ["json", "csv", "table"])
def test_the_command_prints_all_three(
    hits: Path, form: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["sakimori", "size", str(hits), "--format", form])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    printed = capsys.readouterr().out
    assert all(
        word in printed.replace("_", " ") for word in ("footprint", "daily active", "peak at once")
    )


def test_people_read_it_in_japanese(hits: Path) -> None:
    told = tell(size_files(hits), "ja")
    assert "感染端末の数" in told.blocks[0].title


EXCLUDED = (
    ("proto,service", "udp,dns", "resolver"),
    ("proto,service", "udp,", "resolver"),
    ("established", "false", "no_handshake"),
    ("established", "0", "no_handshake"),
    ("scanner", "true", "scanner"),
    ("user_agent", "Mozilla/5.0 zgrab/0.x", "scanner"),
)


@pytest.mark.parametrize(("column", "value", "reason"), EXCLUDED)
def test_what_is_no_bot_is_left_out_and_counted(
    tmp_path: Path, column: str, value: str, reason: str
) -> None:
    good = GOOD.strip() + "," * value.count(",") + ",\n"
    text = f"time,ip,port,bot_id,asn,{column}\n{good}2026-03-02,192.0.2.9,1,,64500,{value}\n"
    found = as_object(size_files(write(tmp_path / "h.csv", text)))
    assert found["excluded"][reason] == 1
    assert sum(found["excluded"].values()) == 1
    assert found["counted"]["addresses"] == 1


def test_scanners_are_left_out_by_network_and_by_file(tmp_path: Path) -> None:
    path = write(tmp_path / "h.csv", HEADER + GOOD + GOOD.replace("192.0.2.1", "198.51.100.7")
                 + GOOD.replace("192.0.2.1", "2001:db8::5"))  # fmt: skip
    nets = write(tmp_path / "nets.txt", "# researchers\n198.51.100.0/24\n\n2001:db8::/32\n")
    assert as_object(size_files(path, scanners=[str(nets)]))["excluded"]["scanner"] == 2
    assert as_object(size_files(path, scanners=["198.51.100.7"]))["excluded"]["scanner"] == 1


def test_an_address_that_asks_for_very_many_names_is_a_scanner(tmp_path: Path) -> None:
    rows = [GOOD.strip() + f",n{i}.example" for i in range(80)]
    rows += [f"2026-03-02,198.51.100.{i},1,,64500,a.example" for i in range(9)]
    path = write(tmp_path / "h.csv", HEADER.strip() + ",name\n" + "\n".join(rows) + "\n")
    assert as_object(size_files(path))["excluded"]["scanner"] == 80


def test_addresses_of_one_household_are_one(tmp_path: Path) -> None:
    others = ("2001:db8:0:1::1", "2001:DB8:0:1:ffff::2", "::ffff:192.0.2.1")
    text = HEADER + GOOD + "".join(GOOD.replace("192.0.2.1", other) for other in others)
    assert as_object(size_files(write(tmp_path / "h.csv", text)))["counted"]["addresses"] == 2


TIMES = ("2026-03-02T00:00:01Z", "2026-03-02 09:00:01+09:00", "1772409601", "1772409601.5",
         "1772409601000")  # fmt: skip


@pytest.mark.parametrize("time", TIMES)
def test_times_are_read_in_their_zone(tmp_path: Path, time: str) -> None:
    found = as_object(size_files(write(tmp_path / "h.csv", f"{HEADER}{time},192.0.2.1,1,,1\n")))
    assert found["window"]["first"] == "2026-03-02T00:00:01Z"


BROKEN = (
    ("", "empty", "h.csv"),
    (HEADER, "only a header", "h.csv"),
    ("time,port\n1,2\n", "no column 'ip'", "h.csv:1"),
    (HEADER + "yesterday,192.0.2.1,1,,1\n", "time is 'yesterday'", "h.csv:2"),
    (HEADER + "2026-03-02,192.0.2.256,1,,1\n", "ip is '192.0.2.256'", "h.csv:2"),
    (HEADER + "2026-03-02,fe80:::1,1,,1\n", "ip is 'fe80:::1'", "h.csv:2"),
    (HEADER.strip() + ",established\n2026-03-02,192.0.2.1,1,,1,no\n", "1 no_handshake", "h.csv"),
)


@pytest.mark.parametrize(("text", "said", "where"), BROKEN)
def test_a_file_without_a_usable_row_is_an_error_with_its_place(
    tmp_path: Path, text: str, said: str, where: str
) -> None:
    with pytest.raises(SourceError, match=said) as error:
        size_files(write(tmp_path / "h.csv", text))
    assert error.value.where.endswith(where)


def test_unreadable_rows_are_counted_and_shown_with_their_line(tmp_path: Path) -> None:
    text = HEADER + GOOD + "x,192.0.2.1,1,,1\n" + GOOD + "2026-03-02,,1,,1\n"
    found = as_object(size_files(write(tmp_path / "h.csv", text)))
    assert found["excluded"]["unreadable"] == 2
    assert any("h.csv:3: time is 'x'" in warning for warning in found["warnings"])
    assert any("h.csv:5: ip is missing" in warning for warning in found["warnings"])


def test_a_missing_file_and_a_wrong_network_are_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file"):
        size_files(tmp_path / "none.csv")
    with pytest.raises(ConfigError, match="neither a network"):
        size_files(write(tmp_path / "h.csv", HEADER + GOOD), scanners=["192.0.2.0/99"])
    with pytest.raises(SourceError, match="no column 'done'"):
        size_files(tmp_path / "h.csv", established=["done"])


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=300))
def test_no_file_ends_in_a_traceback(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "h.csv"
    path.write_bytes(HEADER.encode() + GOOD.encode() + body)
    try:
        found = as_object(size_files(path))
    except SakimoriError:
        return
    assert found["counted"]["hits"] >= 1
