"""Zeek's tab-separated logs, written from columns.

Fields and types are those of Zeek 6 with the JA3 package. Rows are in order of their `ts`; a real
conn.log is in order of when connections ended.
Source: docs.zeek.org, "Log Files".
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sakimori.simulate.events import LINK, LOGS

if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO

    from numpy.random import Generator

    from sakimori.simulate.addresses import Column
    from sakimori.simulate.events import Events, Frame

_SLICE = 100_000  # rows made into text at a time
_ALPHABET = np.frombuffer(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", dtype=np.uint8
)
_UID_LETTERS = 17


def _time(values: Column) -> Any:
    """Return seconds as text with six decimals."""
    micros = np.round(values * 1e6).astype(np.int64)
    whole, rest = np.divmod(micros, 1_000_000)
    decimals = pc.utf8_lpad(pa.array(rest).cast(pa.string()), 6, "0")
    return pc.binary_join_element_wise(pa.array(whole).cast(pa.string()), decimals, ".")


def _span(values: Column) -> Any:
    """Return durations as text; NaN is unset."""
    return pc.if_else(pa.array(np.isnan(values)), "-", _time(np.nan_to_num(values)))


def _number(values: Column) -> Any:
    """Return counts as text; a negative one is unset."""
    return pc.if_else(pa.array(values < 0), "-", pa.array(values).cast(pa.string()))


def _flag(values: Column) -> Any:
    return pc.if_else(pa.array(values.astype(bool)), "T", "F")


def _text(values: Column) -> Any:
    return pa.array(values, type=pa.string())


def _inside(values: Column) -> Any:
    return pc.if_else(pc.starts_with(_text(values), "10."), "T", "F")


def _bracketed(values: Column) -> Any:
    return pc.binary_join_element_wise("<", _text(values), ">", "")


_ENDPOINTS = (
    ("ts", "time", "ts", _time),
    ("uid", "string", "uid", _text),
    ("id.orig_h", "addr", "src", _text),
    ("id.orig_p", "port", "sport", _number),
    ("id.resp_h", "addr", "dst", _text),
    ("id.resp_p", "port", "dport", _number),
)


def _same(kind: str, text: str, *names: str) -> tuple[tuple[str, str, str, None], ...]:
    """Return fields that hold the same text in each row."""
    return tuple((name, kind, text, None) for name in names)


FIELDS: dict[str, tuple[tuple[str, str, str, Any], ...]] = {
    "conn": (
        *_ENDPOINTS,
        ("proto", "enum", "proto", _text),
        ("service", "string", "service", _text),
        ("duration", "interval", "seconds", _span),
        ("orig_bytes", "count", "sent", _number),
        ("resp_bytes", "count", "received", _number),
        ("conn_state", "string", "state", _text),
        ("local_orig", "bool", "src", _inside),
        ("local_resp", "bool", "dst", _inside),
        *_same("count", "0", "missed_bytes"),
        ("history", "string", "history", _text),
        ("orig_pkts", "count", "out", _number),
        ("orig_ip_bytes", "count", "out_ip", _number),
        ("resp_pkts", "count", "back", _number),
        ("resp_ip_bytes", "count", "back_ip", _number),
        *_same("set[string]", "-", "tunnel_parents"),
    ),
    "dns": (
        *_ENDPOINTS,
        *_same("enum", "udp", "proto"),
        ("trans_id", "count", "trans_id", _number),
        ("rtt", "interval", "rtt", _span),
        ("query", "string", "query", _text),
        *_same("count", "1", "qclass"),
        *_same("string", "C_INTERNET", "qclass_name"),
        ("qtype", "count", "qtype", _number),
        ("qtype_name", "string", "qtype_name", _text),
        ("rcode", "count", "rcode", _number),
        ("rcode_name", "string", "rcode_name", _text),
        ("AA", "bool", "authoritative", _flag),
        *_same("bool", "F", "TC"),
        ("RD", "bool", "recursive", _flag),
        ("RA", "bool", "recursive", _flag),
        *_same("count", "0", "Z"),
        ("answers", "vector[string]", "answers", _text),
        ("TTLs", "vector[interval]", "ttls", _text),
        *_same("bool", "F", "rejected"),
    ),
    "http": (
        *_ENDPOINTS,
        *_same("count", "1", "trans_depth"),
        ("method", "string", "method", _text),
        ("host", "string", "host", _text),
        ("uri", "string", "uri", _text),
        ("referrer", "string", "referrer", _text),
        *_same("string", "1.1", "version"),
        ("user_agent", "string", "agent", _text),
        *_same("string", "-", "origin"),
        ("request_body_len", "count", "body", _number),
        ("response_body_len", "count", "answer", _number),
        ("status_code", "count", "status", _number),
        ("status_msg", "string", "reason", _text),
        *_same("count", "-", "info_code"),
        *_same("string", "-", "info_msg"),
        *_same("set[enum]", "(empty)", "tags"),
        *_same("string", "-", "username", "password"),
        *_same("set[string]", "-", "proxied"),
        *_same("vector[string]", "-", "orig_fuids", "orig_filenames", "orig_mime_types"),
        ("resp_fuids", "vector[string]", "fuid", _text),
        *_same("vector[string]", "-", "resp_filenames"),
        ("resp_mime_types", "vector[string]", "mime", _text),
    ),
    "ssl": (
        *_ENDPOINTS,
        ("version", "string", "version", _text),
        ("cipher", "string", "cipher", _text),
        *_same("string", "x25519", "curve"),
        ("server_name", "string", "server_name", _text),
        ("resumed", "bool", "resumed", _flag),
        *_same("string", "-", "last_alert"),
        *_same("string", "-", "next_protocol"),
        *_same("bool", "T", "established"),
        *_same("string", "CsiI", "ssl_history"),
        ("cert_chain_fps", "vector[string]", "chain", _text),
        *_same("vector[string]", "-", "client_cert_chain_fps"),
        ("subject", "string", "subject", _text),
        ("issuer", "string", "issuer", _text),
        *_same("string", "-", "client_subject", "client_issuer"),
        ("ja3", "string", "ja3", _text),
        ("ja3s", "string", "ja3s", _text),
    ),
    "smtp": (
        *_ENDPOINTS,
        *_same("count", "1", "trans_depth"),
        ("helo", "string", "helo", _text),
        ("mailfrom", "string", "sender", _text),
        ("rcptto", "set[string]", "recipients", _text),
        *_same("string", "-", "date"),
        ("from", "string", "sender", _bracketed),
        ("to", "set[string]", "recipients", _text),
        *_same("set[string]", "-", "cc"),
        *_same("string", "-", "reply_to"),
        ("msg_id", "string", "id", _text),
        *_same("string", "-", "in_reply_to"),
        ("subject", "string", "subject", _text),
        *_same("addr", "-", "x_originating_ip"),
        *_same("string", "-", "first_received", "second_received"),
        ("last_reply", "string", "reply", _text),
        *_same("vector[addr]", "-", "path"),
        ("user_agent", "string", "mailer", _text),
        ("tls", "bool", "tls", _flag),
        *_same("vector[string]", "-", "fuids"),
    ),
    "irc": (
        *_ENDPOINTS,
        ("nick", "string", "nick", _text),
        ("user", "string", "user", _text),
        ("command", "string", "command", _text),
        ("value", "string", "value", _text),
        *_same("string", "-", "addl", "dcc_file_name"),
        *_same("count", "-", "dcc_file_size"),
        *_same("string", "-", "dcc_mime_type", "fuid"),
    ),
    "ssh": (
        *_ENDPOINTS,
        *_same("count", "2", "version"),
        ("auth_success", "bool", "success", _flag),
        ("auth_attempts", "count", "attempts", _number),
        *_same("enum", "-", "direction"),
        ("client", "string", "client", _text),
        ("server", "string", "server", _text),
        *_same("string", "chacha20-poly1305@openssh.com", "cipher_alg"),
        *_same("string", "-", "mac_alg", "compression_alg", "kex_alg", "host_key_alg"),
        *_same("string", "-", "host_key"),
        ("hassh", "string", "hassh", _text),
    ),
    "x509": (
        ("ts", "time", "ts", _time),
        ("fingerprint", "string", "fingerprint", _text),
        *_same("count", "3", "certificate.version"),
        ("certificate.serial", "string", "serial", _text),
        ("certificate.subject", "string", "subject", _text),
        ("certificate.issuer", "string", "issuer", _text),
        ("certificate.not_valid_before", "time", "since", _time),
        ("certificate.not_valid_after", "time", "until", _time),
        *_same("string", "rsaEncryption", "certificate.key_alg"),
        *_same("string", "sha256WithRSAEncryption", "certificate.sig_alg"),
        *_same("string", "rsa", "certificate.key_type"),
        *_same("count", "2048", "certificate.key_length"),
        *_same("string", "65537", "certificate.exponent"),
        *_same("string", "-", "certificate.curve"),
        ("san.dns", "vector[string]", "names", _text),
        *_same("vector[string]", "-", "san.uri", "san.email"),
        *_same("vector[addr]", "-", "san.ip"),
        *_same("bool", "F", "basic_constraints.ca"),
        *_same("count", "-", "basic_constraints.path_len"),
        *_same("bool", "T", "host_cert"),
        *_same("bool", "F", "client_cert"),
    ),
    "files": (
        ("ts", "time", "ts", _time),
        ("fuid", "string", "fuid", _text),
        *_ENDPOINTS[1:],
        ("source", "string", "source", _text),
        *_same("count", "0", "depth"),
        *_same("set[string]", "MD5,SHA1", "analyzers"),
        ("mime_type", "string", "mime", _text),
        ("filename", "string", "filename", _text),
        *_same("interval", "0.000000", "duration"),
        *_same("bool", "-", "local_orig"),
        *_same("bool", "F", "is_orig"),
        ("seen_bytes", "count", "bytes", _number),
        ("total_bytes", "count", "bytes", _number),
        *_same("count", "0", "missing_bytes", "overflow_bytes"),
        *_same("bool", "F", "timedout"),
        *_same("string", "-", "parent_fuid"),
        ("md5", "string", "md5", _text),
        ("sha1", "string", "sha1", _text),
        *_same("string", "-", "sha256", "extracted"),
        *_same("bool", "-", "extracted_cutoff"),
        *_same("count", "-", "extracted_size"),
    ),
}


def write(folder: Path, events: Events, rng: Generator) -> None:
    """Write one log file for each log, empty ones with their header alone.

    `rng` draws the connections' uids.
    """
    ends = events.logs["conn"]
    uid = _uids(rng, len(ends["ts"]))
    for log in LOGS:
        frame = events.logs.get(log, {"ts": np.empty(0), LINK: np.empty(0, dtype=np.int64)})
        with (folder / f"{log}.log").open("wb") as out:
            _write_log(out, log, frame, {**ends, "uid": uid})


def _uids(rng: Generator, count: int) -> Column:
    letters = _ALPHABET[rng.integers(0, len(_ALPHABET), (count, _UID_LETTERS))]
    return np.char.add(b"C", np.ascontiguousarray(letters).view(f"S{_UID_LETTERS}").ravel()).astype(
        "U"
    )


def _write_log(out: IO[bytes], log: str, frame: Frame, ends: Frame) -> None:
    order = np.argsort(frame["ts"], kind="stable")
    first = float(frame["ts"].min(initial=np.inf))
    out.write(_header(log, first))
    for begin in range(0, len(order), _SLICE):
        rows = order[begin : begin + _SLICE]
        out.write(_lines(log, _completed(log, frame, ends, rows)))
    last = float(frame["ts"].max(initial=-np.inf))
    out.write(f"#close\t{_stamp(last)}\n".encode())


def _header(log: str, first: float) -> bytes:
    names = "\t".join(field[0] for field in FIELDS[log])
    types = "\t".join(field[1] for field in FIELDS[log])
    return (
        "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n"
        f"#path\t{log}\n#open\t{_stamp(first)}\n#fields\t{names}\n#types\t{types}\n"
    ).encode()


def _stamp(moment: float) -> str:
    known = moment if np.isfinite(moment) else 0.0
    return datetime.fromtimestamp(known, tz=UTC).strftime("%Y-%m-%d-%H-%M-%S")


def _completed(log: str, frame: Frame, ends: Frame, rows: Column) -> Frame:
    """Return a slice of a log's rows with the columns that follow from others."""
    part = {name: column[rows] for name, column in frame.items()}
    of = part.pop(LINK, rows)
    for name in ("uid", "src", "sport", "dst", "dport"):
        part[name] = ends[name][of]
    if log == "dns":
        part["authoritative"] = ~part["recursive"]
        part["ttls"] = _ttls(part)
    return part


def _ttls(part: Frame) -> Column:
    """Return as many times to live as there are answers, as Zeek writes a vector."""
    pairs = zip(part["ttl"].tolist(), part["answers"].tolist(), strict=True)
    texts = ["-" if a == "-" else ",".join([f"{ttl:.6f}"] * (a.count(",") + 1)) for ttl, a in pairs]
    return np.array(texts, dtype=object)


def _lines(log: str, part: Frame) -> bytes:
    count = len(part["ts"])
    columns = [
        pa.repeat(pa.scalar(source), count) if how is None else how(part[source])
        for _, _, source, how in FIELDS[log]
    ]
    rows = pc.binary_join_element_wise(*columns, "\t")
    return "\n".join([*rows.to_pylist(), ""]).encode()
