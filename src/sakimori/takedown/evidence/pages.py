"""The pages of a bundle that people read: index.html, INDEX.txt and VERIFY.txt.

They are for reading only: what counts is chain.jsonl. Attackers wrote some of the text, so it is
escaped, nothing is a link, and the page may load and run nothing.
"""

from __future__ import annotations

import html
import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from sakimori.hostile import defanged
from sakimori.i18n import Translator
from sakimori.takedown.evidence.walk import SELF_PROVING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Row = tuple[str, str, bool]  # name, value, whether it was left out

    from sakimori.takedown.evidence.record import Record

_FOR_PROGRAMS = ("public_key", "new_public_key", "signature", "reply", "ca")
MOST_IN_HTML = 5_000  # records; browsers get slow beyond
_SEALS = 50  # whose commands VERIFY.txt prints
_LONGEST = 2_000  # characters of a value that are shown
_STYLE = """
body{font:15px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin:2rem 0 .3rem}
table{border-collapse:collapse;width:100%}
td,th{text-align:left;vertical-align:top;padding:.25rem .6rem .25rem 0;border-bottom:1px solid #ddd}
th{font-weight:600;width:11rem}td{overflow-wrap:anywhere}
code{font:13px/1.4 monospace}.out{color:#8a3200}.seal h2{color:#0b5345}
@media print{body{margin:0;max-width:none}}
"""


@dataclass(frozen=True, slots=True)
class About:
    """What a bundle is about, for the top of its pages."""

    case: str
    exported: str
    actor: str
    tool: str
    records: int
    head: str
    key: str
    sealed: int  # the last record that a seal covers
    unsealed: int
    stamped: str  # when the last stamp was made, or ""
    left_out: Sequence[Mapping[str, Any]]
    elsewhere: int


@dataclass(frozen=True, slots=True)
class SealFile:
    """A seal's files: their name without ending, its key's file, and what it says."""

    name: str
    key: str
    records: int
    head: str


def shown(value: Any) -> str:
    """Return a value as one line of harmless text."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if text.isascii() and text.isprintable() and "://" not in text and len(text) <= _LONGEST:
        return text  # nothing to make visible; most values are such
    return defanged(text, _LONGEST)


def rows(record: Record, lang: str) -> list[Row]:
    """Return name, value and whether it was left out, for all that a record holds."""
    say = Translator(lang)
    gone = say.tr("left out")
    made = [
        (say.tr("time"), record.time.strftime("%Y-%m-%d %H:%M:%S.%f UTC"), False),
        (say.tr("actor"), gone if record.actor is None else shown(record.actor), record.actor is None),
        (say.tr("program"), shown(record.tool), False),
    ]  # fmt: skip
    made += [(shown(name), shown(value), False) for name, value in for_people(record).items()]
    made += [
        (shown(part.removeprefix("field ")), gone, True)
        for part in record.left_out
        if part.startswith("field ")
    ]
    for at, thing in enumerate(record.objects, 1):
        name = say.tr("object {number}", number=at)
        if thing is None:
            made.append((name, gone, True))
            continue
        size = say.tr("{count} bytes", count=thing.bytes)
        text = f"{shown(thing.name)} ({size}) sha256 {thing.sha256}"
        if thing.where:
            text += " " + say.tr("(not in this bundle; it was at {path})", path=shown(thing.where))
        made.append((name, text, False))
    made.append(("sha256", record.hash, False))
    return made


def for_people(record: Record) -> dict[str, Any]:
    """Return the body of a record without what only programs read: keys, signatures, replies."""
    if record.kind not in SELF_PROVING:
        return dict(record.body)
    return {
        name: value.strip().replace("\n", "; ") if isinstance(value, str) else value
        for name, value in record.body.items()
        if name not in _FOR_PROGRAMS
    }


def record_html(record: Record, shown_rows: Sequence[Row], lang: str) -> str:
    """Return a record as a section of index.html."""
    cells = "".join(
        f"<tr><th>{html.escape(name)}</th>"
        f"<td{' class=out' if gone else ''}>{html.escape(value)}</td></tr>\n"
        for name, value, gone in shown_rows
    )
    kind = "seal" if record.kind in SELF_PROVING else "other"
    title = html.escape(f"{record.seq} · {_kinds(lang).get(record.kind, shown(record.kind))}")
    return f'<section class="{kind}"><h2>{title}</h2>\n<table>\n{cells}</table></section>\n'


def record_text(record: Record, shown_rows: Sequence[Row], lang: str) -> str:
    """Return a record as a paragraph of INDEX.txt."""
    lines = [f"{record.seq}  {_kinds(lang).get(record.kind, shown(record.kind))}"]
    lines += [f"    {name}: {value}" for name, value, _gone in shown_rows]
    return "\n".join(lines) + "\n\n"


@cache
def _kinds(lang: str) -> dict[str, str]:
    say = Translator(lang)
    return {
        "note": say.tr("note"),
        "input": say.tr("input"),
        "finding": say.tr("finding"),
        "plan": say.tr("plan"),
        "approval": say.tr("approval"),
        "act": say.tr("act"),
        "message": say.tr("message"),
        "custody": say.tr("custody"),
        "seal": say.tr("seal"),
        "stamp": say.tr("time stamp"),
        "key": say.tr("change of key"),
    }


def _summary(about: About, lang: str) -> list[tuple[str, str]]:
    say = Translator(lang)
    sealed = say.tr("up to record {number}", number=about.sealed) if about.sealed else say.tr("no")
    rows = [
        (say.tr("case"), shown(about.case)),
        (say.tr("records"), say.tr("{count}", count=about.records)),
        (say.tr("last hash"), about.head),
        (say.tr("sealed"), sealed),
        (say.tr("not sealed"), say.tr("{count} records", count=about.unsealed)),
        (say.tr("time stamp"), about.stamped or say.tr("none: no stamping authority vouches for the time")),
        (say.tr("key"), about.key),
        (say.tr("exported"), f"{about.exported} {shown(about.actor)}, {shown(about.tool)}"),
    ]  # fmt: skip
    if about.elsewhere:
        text = say.tr("{count} objects are named by their hash only", count=about.elsewhere)
        rows.append((say.tr("not in this bundle"), text))
    return rows


def _left_out(about: About, lang: str) -> list[str]:
    say = Translator(lang)
    return [
        say.tr(
            "record {record}, {part}: {reason}",
            record=r["record"], part=shown(r["part"]), reason=shown(r["reason"]),
        )
        for r in about.left_out
    ]  # fmt: skip


def head_html(about: About, lang: str) -> str:
    """Return index.html up to the first record."""
    say = Translator(lang)
    title = html.escape(say.tr("Evidence"))
    rows = "".join(
        f"<tr><th>{html.escape(n)}</th><td>{html.escape(v)}</td></tr>\n"
        for n, v in _summary(about, lang)
    )
    left = "".join(f"<li>{html.escape(line)}</li>\n" for line in _left_out(about, lang))
    if left:
        left = f'<h2>{html.escape(say.tr("Left out"))}</h2>\n<ul class="out">\n{left}</ul>\n'
    note = html.escape(
        say.tr("This page is for reading. VERIFY.txt says how to check the records themselves.")
    )
    more = ""
    if about.records > MOST_IN_HTML:
        more = html.escape(
            say.tr(
                "Only the first {count} records are shown here; INDEX.txt has all.",
                count=MOST_IN_HTML,
            )
        )
    return (
        f'<!doctype html>\n<html lang="{lang}"><head><meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\';'
        " style-src 'unsafe-inline'\">\n"
        f'<meta name="viewport" content="width=device-width"><title>{title}</title>\n'
        f"<style>{_STYLE}</style></head><body>\n<h1>{title}</h1>\n<p>{note} {more}</p>\n"
        f"<table>\n{rows}</table>\n{left}"
    )


TAIL_HTML = "</body></html>\n"


def head_text(about: About, lang: str) -> str:
    """Return INDEX.txt up to the first record."""
    say = Translator(lang)
    lines = [say.tr("Evidence"), ""]
    lines += [f"{name}: {value}" for name, value in _summary(about, lang)]
    left = _left_out(about, lang)
    if left:
        lines += ["", say.tr("Left out"), *(f"    {line}" for line in left)]
    return "\n".join(lines) + "\n\n"


def verify_text(
    about: About,
    seals: Sequence[SealFile],
    stamps: Sequence[tuple[str, str, bool]],
    lang: str,
) -> str:
    """Return VERIFY.txt: the commands that check the bundle without Sakimori.

    `stamps` are a stamp's and its seal's file,
    and whether the authority's certificate lies beside it.
    """
    say = Translator(lang)
    lines = [
        say.tr("How to check this bundle with openssl (3.0 or newer) and sha256sum, without Sakimori."),
        say.tr("Run the commands in the bundle's folder. Get the key's fingerprint from its owner by another way."),
        "",
        say.tr("1. Whose key: this must print the fingerprint that its owner gave you."),
        f"   # {about.key}",
        "   openssl pkey -pubin -in pub.pem -outform DER | sha256sum",
        "",
        say.tr("2. No file was changed, and none is missing."),
        "   sha256sum -c --quiet SHA256SUMS",
        "   " + _openssl("pub.pem", "SHA256SUMS", "SHA256SUMS.sig"),
        "",
        say.tr("3. The records form one chain: this must print the last hash, and nothing before it."),
        f"   # {about.head}",
        "   p=$(printf '%064d' 0); while IFS= read -r r; do case \"$r\" in",
        "   *'\"previous\":\"'\"$p\"'\"'*) ;; *) echo \"broken at: $r\";; esac",
        "   p=$(printf '%s' \"$r\" | sha256sum | cut -c1-64); done < chain.jsonl; echo \"$p\"",
        "",
        say.tr("4. The seals hold. Each names a number of records and the hash of the last one."),
    ]  # fmt: skip
    if len(seals) > _SEALS:
        lines.append(
            "   # " + say.tr("{count} earlier seals are checked alike", count=len(seals) - _SEALS)
        )
    for seal in seals[-_SEALS:]:
        text, signature = (f"seals/{seal.name}.{ending}" for ending in ("txt", "sig"))
        lines.append("   " + _openssl(f"keys/{seal.key}.pem", text, signature))
    if seals:
        last = seals[-1]
        lines += [
            f"   # {last.head}",
            f"   sed -n {last.records}p chain.jsonl | tr -d '\\n' | sha256sum",
        ]
    lines.append("")
    lines += _stamp_lines(stamps, say)
    lines += [
        say.tr("6. A value is the one that was recorded: this must print its commitment in chain.jsonl. Salt and value are in openings.jsonl."),
        "   printf '%s' '{\"field\":\"NAME\",\"salt\":\"SALT\",\"value\":VALUE}' | sha256sum",
        "",
        say.tr("Sakimori does all of this at once, and says where something is wrong."),
        "   sakimori evidence verify . --key OWNERS-KEY.pem",
        "",
    ]  # fmt: skip
    return "\n".join(lines)


def _stamp_lines(stamps: Sequence[tuple[str, str, bool]], say: Translator) -> list[str]:
    if not stamps:
        return [say.tr("5. No stamping authority vouches for the time of these seals."), ""]
    lines = [
        say.tr("5. A stamping authority saw the seal at that time. Compare the certificate with the authority's own.")
    ]  # fmt: skip
    for name, seal, has_certificate in stamps:
        trust = f"stamps/{name}.ca.pem" if has_certificate else "AUTHORITY.pem"
        lines.append(
            f"   openssl ts -verify -data seals/{seal}.sig -in stamps/{name}.tsr -CAfile {trust}"
        )
        lines.append(f"   openssl ts -reply -in stamps/{name}.tsr -text | grep 'Time stamp'")
    return [*lines, ""]


def _openssl(key: str, text: str, signature: str) -> str:
    return f"openssl pkeyutl -verify -pubin -inkey {key} -rawin -in {text} -sigfile {signature}"
