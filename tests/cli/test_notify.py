from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from sakimori.cli import _commands, main  # noqa: F401 - registers the commands
from sakimori.intel._rdap_cache import Cache
from sakimori.intel.contacts import Contact
from sakimori.takedown.notify.tracking import STATES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Ran = tuple[int, str, str]

SETTINGS = """
[mail]
sender = "cert@cert.example"
organisation = "Example CERT"
host = "127.0.0.1"
port = 9
tls = "none"
timeout = 2.0
[rdap]
bootstrap = "http://127.0.0.1:9"
tries = 1
timeout = 2.0
cache = "contacts.sqlite"
"""
EVENTS = """time,ip,port,asn,seen,established,family,controller
2026-03-01T10:00:00Z,192.0.2.10,51234,64500,sinkhole,yes,Exabot,evil.example
2026-03-01T11:00:00Z,192.0.2.11,51235,64500,sinkhole,yes,Exabot,evil.example
2026-03-01T11:00:00Z,198.51.100.7,1,64501,sinkhole,yes,\x1b[31mred,evil.example
2026-03-01T11:00:00Z,198.51.100.8,1,64501,dns,,,evil.example
"""
CONTACTS = "match,mail,name,lang\nAS64500,abuse@isp.example,Example ISP,ja\n"


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Ran]:
    """Run the program in a folder that holds settings, events and contacts."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sakimori.toml").write_text(SETTINGS)
    (tmp_path / "events.csv").write_text(EVENTS)
    (tmp_path / "contacts.csv").write_text(CONTACTS)

    def run_it(line: str) -> Ran:
        monkeypatch.setattr("sys.argv", ["sakimori", *line.split()])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run_it


def checked(name: str, text: str) -> Any:
    """The JSON, when it keeps its published schema."""
    schema = json.loads(
        files("sakimori").joinpath(f"schemas/{name}.schema.json").read_text("utf-8")
    )
    jsonschema.Draft202012Validator.check_schema(schema)
    value = json.loads(text)
    jsonschema.validate(value, schema)
    return value


NOTIFY = "notify events.csv --contacts contacts.csv --out n"


def test_a_dry_run_writes_messages_and_sends_nothing(
    run: Callable[..., Ran], tmp_path: Path
) -> None:
    code, out, err = run(f"{NOTIFY} --format json")
    value = checked("notify", out)
    assert code == 0
    assert [(n["mail"], n["events"], n["state"]) for n in value["notices"]] == [
        ("abuse@isp.example", 2, "prepared")
    ]
    assert value["no_contact"][0]["ips"] == ["198.51.100.7"]
    assert value["refused"][0]["line"] == 5
    assert value["sent"] is False
    assert len(list((tmp_path / "n/outbox").glob("*.eml"))) == 1
    assert f"--proposal {value['proposal']}" in err
    assert "\x1b" not in out + err
    assert "no contact: AS64501" in err


def test_sending_needs_a_name_and_the_right_proposal(run: Callable[..., Ran]) -> None:
    assert run(f"{NOTIFY} --send")[0] == 5
    code, _, err = run(f"{NOTIFY} --send --approved-by me --proposal 00")
    assert (code, "approved other messages" in err) == (5, True)


def test_a_server_that_is_not_there_is_one_line_and_nothing_is_lost(
    run: Callable[..., Ran],
) -> None:
    code, out, err = run(f"{NOTIFY} --send --approved-by me --format json")
    value = checked("notify", out)
    assert code == 6
    assert "cannot be reached" in value["problem"]
    assert "Traceback" not in err
    assert value["notices"][0]["state"] == "approved"
    shown = checked("notices", run("notices --out n --format json")[1])
    assert [n["state"] for n in shown["notices"]] == ["approved"]
    assert shown["due"] == []


def test_waves_are_drawn_once_and_can_be_told_one_by_one(
    run: Callable[..., Ran], tmp_path: Path
) -> None:
    (tmp_path / "contacts.csv").write_text(CONTACTS + "AS64501,b@net.example,Net,en\n")
    first = checked("notify", run(f"{NOTIFY} --waves 2 --seed 7 --format json")[1])
    assert first["seed"] == "7"
    assert sorted(len(w) for w in first["waves"]) == [1, 1]
    assert json.loads((tmp_path / "n/schedule.json").read_text())["waves"] == first["waves"]
    second = checked("notify", run(f"{NOTIFY} --waves 2 --seed 7 --wave 2 --format json")[1])
    assert [n["mail"] for n in second["notices"]] == first["waves"][1]
    code, _, err = run(f"{NOTIFY} --waves 2 --seed 8")
    assert (code, "drawn already" in err) == (2, True)


def test_look_ups_that_fail_are_listed_as_no_contact(run: Callable[..., Ran]) -> None:
    code, out, _ = run(f"{NOTIFY} --rdap --format json")
    value = checked("notify", out)
    assert code == 0
    assert "cannot be reached" in value["no_contact"][0]["why"]
    assert len(value["notices"]) == 1


def test_contacts_come_from_the_cache_or_say_why_not(
    run: Callable[..., Ran], tmp_path: Path
) -> None:
    import time  # noqa: PLC0415

    with Cache(tmp_path / "contacts.sqlite") as cache:
        told = Contact(mail="a@isp.example", name="x", source="rdap.example")
        cache.put("ip", ("192.0.2.0", "192.0.2.255"), told, time.time())
    code, out, _ = run("contacts 192.0.2.9 --format json")
    assert (code, checked("contacts", out)[0]["mail"]) == (0, "a@isp.example")
    code, out, err = run("contacts 192.0.2.9 AS64500 --format json")
    assert (code, [bool(r["mail"]) for r in checked("contacts", out)]) == (6, [True, False])
    assert "no contact for AS64500" in err
    assert run("contacts nonsense")[0] == 2


def test_letters_are_written_again_the_same_and_their_visits_counted(
    run: Callable[..., Ran], tmp_path: Path
) -> None:
    line = "letter events.csv --url https://clean.example/v --secret key --out l --format json"
    code, out, err = run(line)
    written = checked("letter", out)
    assert (code, [w["ip"] for w in written]) == (0, ["192.0.2.10", "192.0.2.11", "198.51.100.7"])
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0
    before = {p.name: p.read_bytes() for p in (tmp_path / "l").iterdir()}
    assert len(before) == 4
    run(line)
    assert {p.name: p.read_bytes() for p in (tmp_path / "l").iterdir()} == before
    entry = f'203.0.113.1 - - [02/Mar/2026:10:00:00 +0000] "GET /v/{written[0]["token"]} HTTP/1.1" 200 1 "-" "-"\n'
    (tmp_path / "access.log").write_text(entry * 3 + "junk\n")
    code, out, err = run("visits access.log --letters l/letters.csv --format json")
    found = checked("visits", out)
    assert (found["letters"], found["opened"], found["visits"][0]["count"]) == (3, 1, 3)
    assert found["share"] == 0.3333
    assert "1 letters were opened of 3" in err


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("notify none.csv --out n", 3, "none.csv: No such file"),
        ("notify contacts.csv --out n", 3, "contacts.csv:1: no column"),
        ("notify events.csv --contacts events.csv --out n", 3, "events.csv:1: no column"),
        ("notify events.csv --out events.csv", 4, "outbox cannot be used"),
        ("notices --out none", 3, "there are no notices here"),
        ("letter events.csv --url x --secret key --out l", 2, "no web address"),
        ("letter events.csv --url https://x.example --secret contacts.csv --out l --zone Mars", 2,
         "no time zone"),
        ("visits none.log", 3, "No such file"),
        ("visits events.csv --letters contacts.csv", 3, "no column token"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_a_code(
    run: Callable[..., Ran], line: str, code: int, said: str
) -> None:
    ended, out, err = run(line)
    assert (ended, out) == (code, "")
    assert said in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("until", "said"),
    [("2999-01-01", "in the future"), ("tomorrow", "no ISO 8601 time"), ("2026-04-01", "")],
)
def test_watching_ends_at_a_time_that_has_been(
    run: Callable[..., Ran], until: str, said: str
) -> None:
    run(NOTIFY)
    code, out, err = run(f"notices --out n --later events.csv --until {until} --format json")
    assert (code == 0) == (not said)
    assert said in err
    if not said:
        assert checked("notices", out)["strangers"] == 0


def test_a_sender_that_is_not_set_says_where_to_set_it(
    run: Callable[..., Ran], tmp_path: Path
) -> None:
    (tmp_path / "sakimori.toml").write_text("")
    for line in (NOTIFY, "letter events.csv --url https://x.example --secret key --out l"):
        code, _, err = run(line)
        assert (code, "section [mail]" in err) == (2, True)


def test_the_schemas_know_every_state() -> None:
    for name in ("notify", "notices"):
        schema = json.loads(files("sakimori").joinpath(f"schemas/{name}.schema.json").read_text())
        known = schema["properties"]["notices"]["items"]["properties"]["state"]["enum"]
        assert tuple(known) == STATES
