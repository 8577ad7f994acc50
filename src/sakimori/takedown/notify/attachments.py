"""The events of a notice for machines: XARF v4 reports and a CSV.

XARF v4: https://xarf.org, type `infrastructure-botnet`. Each report is checked against the
schemas that the `xarf` package carries.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import zipfile
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from sakimori.errors import ConfigError
from sakimori.hostile import csv_safe, defanged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jsonschema import Draft202012Validator

    from sakimori.takedown.notify.events import VictimEvent
    from sakimori.takedown.notify.message import Sender

COLUMNS = (
    "time", "ip", "port", "asn", "seen", "established", "proto", "botnet", "family", "controller",
    "controller_port", "evidence", "tlp", "reference",
)  # fmt: skip
ZIP_ABOVE = 1_000_000  # bytes; many mail servers refuse messages over 10 MB
_SOURCES = {
    "sinkhole": "sinkhole", "cnc_log": "cnc_log", "crawler": "crawler", "honeypot": "honeypot",
    "flow": "flow_analysis", "drop_site": "researcher_analysis", "report": "user_report",
}  # fmt: skip
_SAID = {
    "sinkhole": "The host called a sinkhole that answers in place of a botnet's controller",
    "cnc_log": "The host is in the log of a botnet's controller",
    "crawler": "The host answered a crawler in the botnet's own protocol",
    "honeypot": "The host attacked a honeypot",
    "flow": "The host's traffic with a botnet's controller was seen",
    "drop_site": "The host's data was found where the botnet stores what it steals",
    "report": "The host was reported by another party",
}


def csv_of(events: Sequence[VictimEvent]) -> bytes:
    """Return every event as UTF-8 CSV with a header and CRLF; no cell runs as a formula."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    writer.writerows(_row(event) for event in events)
    return out.getvalue().encode()


_FREE = ("botnet", "family", "controller", "evidence")  # texts of others; the rest was checked


def _row(event: VictimEvent) -> list[str]:
    plain = {name: getattr(event, name, None) for name in COLUMNS}
    values = {name: "" if value is None else str(value) for name, value in plain.items()}
    values |= {name: csv_safe(defanged(values[name], 500)) for name in _FREE}
    values["time"] = stamp(event)
    values["established"] = {True: "yes", False: "no", None: ""}[event.established]
    values["reference"] = event.id[:16]
    return [values[name] for name in COLUMNS]


def stamp(event: VictimEvent) -> str:
    """Return the event's time to the second, or closer where it is known closer, with Z."""
    return event.time.isoformat().replace("+00:00", "Z")


def xarf_of(event: VictimEvent, sender: Sender) -> dict[str, Any]:
    """Return one XARF v4 `infrastructure-botnet` report. The same event gives the same report.

    `report_id` is made of the event's id, in the form of a UUID of version 4, so that a receiver
    can tell a report that it has already.
    """
    import xarf  # noqa: PLC0415 - slow to import

    party = {"org": sender.organisation[:200], "contact": sender.mail, "domain": sender.domain}
    line = csv_of([event])
    report = {
        "xarf_version": xarf.SPEC_VERSION,
        "report_id": _uuid(event.id),
        "timestamp": stamp(event),
        "reporter": party,
        "sender": party,
        "source_identifier": event.ip,
        "source_port": event.port,
        "category": "infrastructure",
        "type": "botnet",
        "evidence_source": _SOURCES.get(event.seen, event.seen),
        "malware_family": (event.family or event.botnet)[:200],
        "c2_server": event.controller,
        "c2_protocol": event.proto,
        "compromise_evidence": f"{_SAID.get(event.seen, event.seen)}. {_handshake(event)}",
        "tags": [f"tlp:{event.tlp}"],
        "evidence": [
            {
                "content_type": "text/csv",
                "description": "The event with its source port and controller",
                "payload": base64.b64encode(line).decode(),
                "hash": f"sha256:{sha256(line).hexdigest()}",
                "size": len(line),
            }
        ],
    }
    return {name: _sound(value) for name, value in report.items() if value not in (None, "")}


def _sound(value: Any) -> Any:
    """Half a character (a lone surrogate) has no place in UTF-8; the rest stays as it was."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _handshake(event: VictimEvent) -> str:
    """Say whether the source address may be forged; reports without this accuse the innocent."""
    what = "TCP handshake" if event.proto == "tcp" else "Exchange in both directions"
    done = {True: "yes", False: "no", None: "unknown"}[event.established]
    return f"{what} completed: {done}."


def _uuid(digest: str) -> str:
    d = digest
    return f"{d[:8]}-{d[8:12]}-4{d[13:16]}-{'89ab'[int(d[16], 16) % 4]}{d[17:20]}-{d[20:32]}"


def xarf_json(events: Sequence[VictimEvent], sender: Sender) -> bytes:
    """Return all reports as one JSON array in UTF-8, each checked against the schema.

    Raises ConfigError when a report is not valid, which is then the sender's name or address: the
    rest was checked when the events were read.
    """
    import orjson  # noqa: PLC0415 - only when a notice is made

    reports = [xarf_of(event, sender) for event in events]
    for report in reports:
        error = next(_schema().iter_errors(report), None)
        if error is not None:
            raise ConfigError(
                f"no valid XARF report: {error.json_path}: {error.message}",
                hint="check organisation and sender in section [mail] of the settings",
            )
    return orjson.dumps(reports, option=orjson.OPT_INDENT_2)


@cache
def _schema() -> Draft202012Validator:
    """Return the check of this one type: the package's own tries all 32 and takes five times as long."""
    from jsonschema import Draft202012Validator, FormatChecker  # noqa: PLC0415 - slow to import

    schemas = files("xarf") / "schemas"
    botnet = json.loads((schemas / "types" / "infrastructure-botnet.json").read_text("utf-8"))
    core = json.loads((schemas / "xarf-core.json").read_text("utf-8"))
    # One schema without references to others: looking them up takes most of the time.
    own = [part for part in botnet["allOf"] if "$ref" not in part]
    whole = {"allOf": [{"properties": core["properties"], "required": core["required"]}, *own]}
    return Draft202012Validator(
        {**whole, "$defs": core["$defs"], "type": "object"}, format_checker=FormatChecker()
    )


def packed(name: str, data: bytes) -> tuple[str, str, bytes]:
    """Return (name, media type, data) of an attachment; a large one as a ZIP, always the same."""
    kinds = {"csv": "text/csv", "json": "application/json"}
    if len(data) <= ZIP_ABOVE:
        return name, kinds[name.rpartition(".")[2]], data
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
    return f"{name}.zip", "application/zip", out.getvalue()
