"""Zeek's log fields and the columns they fill, for both its tab-separated and its JSON logs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sakimori.readers._contract import conform
from sakimori.readers._delimited import seconds_to_time

if TYPE_CHECKING:
    from collections.abc import Mapping

ARROW = {
    "text": pa.string(),
    "lower": pa.string(),
    "name": pa.string(),  # lower case, no final dot
    "list": pa.string(),  # cut at the set separator, or a list already
    "reals": pa.string(),
    "time": pa.float64(),
    "real": pa.float64(),
    "int": pa.int64(),
    "flag": pa.bool_(),
}


@dataclass(frozen=True, slots=True)
class Field:
    """One of our columns, the Zeek fields that may fill it (first present wins), and the kind."""

    ours: str
    theirs: tuple[str, ...]
    kind: str = "text"


@dataclass(frozen=True, slots=True)
class Log:
    """One Zeek log: the table it becomes, its fields, and columns with one value."""

    table: str
    fields: tuple[Field, ...]
    fixed: Mapping[str, str]

    @property
    def needed(self) -> tuple[str, ...]:
        """Columns of ours without which a file cannot be this log."""
        return ("ts",) if self.table in ("cert", "files") else ("ts", "src_ip")


def _f(ours: str, *theirs: str, kind: str = "text") -> Field:
    return Field(ours, theirs, kind)


_ENDPOINTS = (
    _f("ts", "ts", kind="time"),
    _f("uid", "uid"),
    _f("src_ip", "id.orig_h"),
    _f("src_port", "id.orig_p", kind="int"),
    _f("dst_ip", "id.resp_h"),
    _f("dst_port", "id.resp_p", kind="int"),
)
_CERT_TIMES = (
    _f("not_before", "certificate.not_valid_before", kind="time"),
    _f("not_after", "certificate.not_valid_after", kind="time"),
)
_CONN = Log(
    "conn",
    (
        *_ENDPOINTS,
        _f("proto", "proto", kind="lower"),
        _f("service", "service", kind="lower"),
        _f("duration", "duration", kind="real"),
        _f("src_bytes", "orig_bytes", kind="int"),
        _f("dst_bytes", "resp_bytes", kind="int"),
        _f("src_pkts", "orig_pkts", kind="int"),
        _f("dst_pkts", "resp_pkts", kind="int"),
        _f("state", "conn_state"),
    ),
    {},
)
_HTTP = Log(
    "http",
    (
        *_ENDPOINTS,
        _f("method", "method"),
        _f("host", "host", kind="name"),
        _f("uri", "uri"),
        _f("referrer", "referrer"),
        _f("user_agent", "user_agent"),
        _f("status", "status_code", kind="int"),
        _f("req_bytes", "request_body_len", kind="int"),
        _f("resp_bytes", "response_body_len", kind="int"),
        _f("mime", "resp_mime_types", kind="list"),
        _f("file_ids", "resp_fuids", kind="list"),
    ),
    {},
)
_TLS = Log(
    "tls",
    (
        *_ENDPOINTS,
        _f("version", "version"),
        _f("cipher", "cipher"),
        _f("server_name", "server_name", kind="name"),
        _f("alpn", "next_protocol"),
        _f("ja3", "ja3"),
        _f("ja3s", "ja3s"),
        _f("ja4", "ja4"),
        _f("subject", "subject"),
        _f("issuer", "issuer"),
        _f("cert_hashes", "cert_chain_fps", "cert_chain_fuids", kind="list"),
        _f("established", "established", kind="flag"),
    ),
    {},
)
_ALERT = (*_ENDPOINTS, _f("proto", "proto", kind="lower"))

LOGS: dict[str, Log] = {
    "conn": _CONN,
    "dns": Log(
        "dns",
        (
            *_ENDPOINTS,
            _f("proto", "proto", kind="lower"),
            _f("query", "query", kind="name"),
            _f("qtype", "qtype_name"),
            _f("rcode", "rcode_name"),
            _f("answers", "answers", kind="list"),
            _f("ttls", "TTLs", kind="reals"),
            _f("rtt", "rtt", kind="real"),
        ),
        {},
    ),
    "http": _HTTP,
    "ssl": _TLS,
    "x509": Log(
        "cert",
        (
            _f("ts", "ts", kind="time"),
            _f("uid", "fingerprint", "id"),
            _f("subject", "certificate.subject"),
            _f("issuer", "certificate.issuer"),
            _f("serial", "certificate.serial"),
            *_CERT_TIMES,
            _f("names", "san.dns", kind="list"),
            _f("sha256", "fingerprint", kind="lower"),
        ),
        {},
    ),
    "smtp": Log(
        "mail",
        (
            *_ENDPOINTS,
            _f("helo", "helo"),
            _f("sender", "mailfrom", kind="lower"),
            _f("recipients", "rcptto", kind="list"),
            _f("subject", "subject"),
            _f("message_id", "msg_id"),
            _f("reason", "last_reply"),
            _f("mailer", "user_agent"),
        ),
        {},
    ),
    "irc": Log(
        "irc",
        (
            *_ENDPOINTS,
            _f("nick", "nick"),
            _f("user", "user"),
            _f("command", "command"),
            _f("value", "value"),
            _f("extra", "addl"),
        ),
        {},
    ),
    "ssh": Log(
        "ssh",
        (
            *_ENDPOINTS,
            _f("auth_success", "auth_success", kind="flag"),
            _f("auth_attempts", "auth_attempts", kind="int"),
            _f("client", "client"),
            _f("server", "server"),
            _f("hassh", "hassh"),
        ),
        {},
    ),
    "files": Log(
        "files",
        (
            _f("ts", "ts", kind="time"),
            _f("uid", "uid", "conn_uids", kind="list"),
            _f("src_ip", "tx_hosts", "id.orig_h", kind="list"),
            _f("dst_ip", "rx_hosts", "id.resp_h", kind="list"),
            _f("file_id", "fuid"),
            _f("service", "source", kind="lower"),
            _f("mime", "mime_type"),
            _f("name", "filename"),
            _f("bytes", "seen_bytes", kind="int"),
            _f("md5", "md5", kind="lower"),
            _f("sha1", "sha1", kind="lower"),
            _f("sha256", "sha256", kind="lower"),
        ),
        {},
    ),
    "notice": Log(
        "alert",
        (
            *_ALERT,
            _f("signature_id", "note"),
            _f("name", "msg"),
            _f("category", "sub"),
            _f("action", "actions", kind="list"),
        ),
        {"sensor": "zeek-notice"},
    ),
    "weird": Log(
        "alert",
        (
            *_ALERT,
            _f("signature_id", "name"),
            _f("name", "addl", "name"),
        ),
        {"sensor": "zeek-weird"},
    ),
}
# Other names for the same logs: an older Zeek's, and RITA's for connections still open.
LOGS |= {"tls": _TLS, "open_conn": _CONN, "conn_long": _CONN, "open_http": _HTTP, "open_ssl": _TLS}
TABLES = ("conn", "dns", "http", "tls", "cert", "mail", "irc", "ssh", "files", "alert")


def columns_of(log: Log, present: set[str]) -> dict[str, pa.DataType]:
    """Return the Zeek fields to read of those present, with the Arrow type each is read as.

    The dotted, underscored (`id_orig_h`) and plain spellings of a field are one field: `present`
    holds them in Zeek's own spelling.
    """
    return {
        theirs: ARROW[field.kind]
        for field in log.fields
        for theirs in field.theirs
        if theirs in present
    }


def batch_of(
    log: Log, read: Mapping[str, Any], length: int, fallback_uid: pa.Array, cut_at: str = ","
) -> pa.RecordBatch:
    """Return the table's rows from Zeek's columns as read; times are epoch seconds.

    `fallback_uid` (`file:line`) stands in where the log has no uid.
    """
    ours: dict[str, Any] = {
        name: pa.repeat(pa.scalar(value), length) for name, value in log.fixed.items()
    }
    for field in log.fields:
        given = [read[t] for t in field.theirs if t in read]
        if given:
            column = given[0] if len(given) == 1 else pc.coalesce(*given)
            ours[field.ours] = _converted(column, field.kind, cut_at)
    _first_of_list(ours, log.table)
    if "duration" in ours:  # "inf", "nan" and negative ones are no durations
        sound = pc.and_(pc.is_finite(ours["duration"]), pc.greater_equal(ours["duration"], 0))
        ours["duration"] = pc.if_else(sound, ours["duration"], pa.scalar(None, pa.float64()))
    if log.table == "http" and "host" in ours:
        ours["host"] = pc.replace_substring_regex(ours["host"], r"^([^:]+):[0-9]{1,5}$", r"\1")
    if log.table == "mail" and "sender" in ours:
        ours["sender"] = pc.utf8_trim(ours["sender"], "<> ")
    if log.table == "cert" and "subject" in ours and "issuer" in ours:
        ours["self_signed"] = pc.equal(ours["subject"], ours["issuer"])
    uid = ours.get("uid")
    ours["uid"] = fallback_uid if uid is None else pc.coalesce(uid, fallback_uid)
    return conform(log.table, ours, length)


def _converted(column: Any, kind: str, cut_at: str) -> Any:
    if kind == "time":
        return seconds_to_time(column)
    if kind in ("lower", "name"):
        lower = pc.utf8_lower(column)
        return pc.utf8_rtrim(lower, ".") if kind == "name" else lower
    if kind in ("list", "reals") and pa.types.is_string(column.type):
        listed = pc.split_pattern(column, cut_at)
        return _reals(listed) if kind == "reals" else listed
    return column


_REAL = r"^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$"


def _reals(listed: Any) -> Any:
    """Turn lists of texts into lists of numbers; what is none becomes null."""
    if isinstance(listed, pa.ChunkedArray):
        return pa.chunked_array([_reals(c) for c in listed.chunks], pa.list_(pa.float64()))
    try:
        return listed.cast(pa.list_(pa.float64()))
    except pa.ArrowInvalid:  # a text among the numbers: slower, value by value
        values = listed.flatten()
    numbers = pc.if_else(
        pc.match_substring_regex(values, _REAL), values, pa.scalar(None, pa.string())
    ).cast(pa.float64())
    lengths = pc.fill_null(pc.list_value_length(listed), 0)
    offsets = np.concatenate(([0], np.cumsum(lengths.to_numpy()))).astype(np.int32)
    mask = pc.is_null(listed)
    return pa.ListArray.from_arrays(pa.array(offsets), numbers, mask=mask)


_SINGLE = {"files": ("uid", "src_ip", "dst_ip"), "http": ("mime",), "alert": ("action",)}


def _first_of_list(ours: dict[str, Any], table: str) -> None:
    """Keep the first entry where Zeek gives a set and the table has one value."""
    for name in _SINGLE.get(table, ()):
        if name in ours and pa.types.is_list(ours[name].type):
            ours[name] = pc.list_element(_never_empty(ours[name]), 0)


def _never_empty(lists: Any) -> Any:
    """Give empty lists one null, so that their first entry exists."""
    empty = pc.equal(pc.list_value_length(lists), 0)
    return pc.if_else(empty, pa.scalar([None], lists.type), lists)
