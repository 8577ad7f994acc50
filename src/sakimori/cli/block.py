"""`block`: a list of what to cut off, as the file of what can cut it."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sakimori.cli import _output as out
from sakimori.cli._app import Config, Format, In, app

if TYPE_CHECKING:
    from sakimori.app.blocking import Blocked

_TO = (
    "rpz, dnsmasq, hosts, nftables, suricata, suricata-dataset, exabgp, squid, pac, windows"
    " (Defender), windows-firewall."
)
_Text = Annotated[str | None, typer.Option("--now", metavar="TIME", help="Another time than now.")]

_NAMED = 200  # rows of each kind that are named; JSON has them all


@app.command(epilog="Example: sakimori block list.csv --to rpz --out rpz.zone --undo rpz.undo.zone")
def block(  # noqa: PLR0913, PLR0917 - one parameter per option
    list_: Annotated[
        Path,
        typer.Argument(metavar="LIST", help="CSV with kind,value,expires,reason; - for stdin."),
    ],
    to: Annotated[str, typer.Option(help=f"What to write: {_TO}")],
    previous: Annotated[
        Path | None,
        typer.Option(help="Write the changes from this file, or from this earlier list."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write into this file; default: stdout.")
    ] = None,
    undo: Annotated[
        Path | None, typer.Option(help="Write the file that takes it back here.")
    ] = None,
    policy: Annotated[
        str, typer.Option(help="RPZ answer: nxdomain, nodata, passthru, drop or tcp-only.")
    ] = "nxdomain",
    sinkhole: Annotated[
        list[str] | None,
        typer.Option(help="Lead names there: an address, repeated for IPv6, or a name (RPZ only)."),
    ] = None,
    zone: Annotated[str, typer.Option(help="Name of the RPZ zone, for changes.")] = "rpz.sakimori",
    ttl: Annotated[int, typer.Option(help="Time to live of RPZ records, in seconds.")] = 300,
    serial: Annotated[
        int, typer.Option(help="RPZ serial; 0: follow the replaced file, else the day.")
    ] = 0,
    next_hop: Annotated[
        str, typer.Option(help="Next hop of blackhole routes: self, or an address.")
    ] = "self",
    bgp: Annotated[
        str, typer.Option(help="ExaBGP lines to write: both, blackhole or flowspec.")
    ] = "both",
    dataset: Annotated[
        str, typer.Option(help="Suricata dataset to write: strings or addresses.")
    ] = "strings",
    otherwise: Annotated[
        str, typer.Option(help="What a PAC file answers for all else.")
    ] = "DIRECT",
    url_hosts: Annotated[
        bool, typer.Option("--url-hosts", help="Block a URL's whole host where no URL can stand.")
    ] = False,
    now: _Text = None,
    form: Annotated[
        Format,
        typer.Option("--format", "-f", help="table: the file itself; json: all about it. No csv."),
    ] = Format.table,
    lang: In = None,
    config: Config = None,
) -> None:
    """Write what cuts off the addresses, names and URLs of a list. Nothing is loaded or sent.

    Rows that are broken or that the format cannot express are named on stderr; the rest is
    written, and the exit code is 6.
    """
    from sakimori import config as settings  # noqa: PLC0415
    from sakimori.app import blocking  # noqa: PLC0415
    from sakimori.errors import ConfigError  # noqa: PLC0415
    from sakimori.takedown.blocks import Options  # noqa: PLC0415

    if form is Format.csv:
        raise ConfigError("a block file has a format of its own", hint="leave --format csv out")
    language = settings.load(config, options={"lang": lang}).lang
    options = Options(
        now=blocking.moment(now), policy=policy, sinkhole=tuple(sinkhole or ()), zone=zone,
        ttl=ttl, serial=serial, next_hop=next_hop, bgp=bgp, dataset=dataset, otherwise=otherwise,
    )  # fmt: skip
    job = blocking.Job(
        list=list_, to=to, options=options, previous=previous, out=file, undo=undo,
        url_hosts=url_hosts,
    )  # fmt: skip
    gc.disable()  # a hundred thousand small objects, and not one cycle: a fifth of the time
    try:
        blocked = blocking.block(job)
    finally:
        gc.enable()
    if form is Format.json:
        out.print_json(blocking.as_object(blocked))
    elif file is None:
        sys.stdout.write(blocked.written.text)
    _tell(blocked, list_, language)
    blocking.check_whole(blocked)


def _tell(blocked: Blocked, path: Path, lang: str) -> None:
    """Say on stderr what is in the file, and name each row that is not."""
    from sakimori.hostile import defanged, visible  # noqa: PLC0415
    from sakimori.i18n import Translator  # noqa: PLC0415

    say = Translator(lang)
    for reject in blocked.listed.rejects[:_NAMED]:
        row = defanged(reject.text, 80)
        out.say(f"{visible(str(path))}:{reject.line}: {visible(reject.reason, 300)}: {row}")
    for left in blocked.written.left_out[:_NAMED]:
        value = defanged(left.entry.value, 80)
        out.say(f"{visible(str(path))}:{left.entry.line}: {visible(left.reason, 300)}: {value}")
    more = sum(
        max(0, len(rows) - _NAMED) for rows in (blocked.listed.rejects, blocked.written.left_out)
    )
    if more:
        out.say(say.tr("... and {count} more: --format json", count=more))
    if blocked.listed.unknown:
        out.say(say.tr("columns not known, and not used: {names}",
                       names=", ".join(blocked.listed.unknown)))  # fmt: skip
    out.say(
        say.tr(
            "{to}: {entries} entries written, {expired} expired, {merged} named twice, {rejected} rows"
            " refused, {left} cannot be expressed",
            to=blocked.to, entries=blocked.written.count, expired=blocked.written.expired,
            merged=blocked.listed.merged, rejected=len(blocked.listed.rejects),
            left=len(blocked.written.left_out),
        )
    )  # fmt: skip
    if blocked.changes and not blocked.written.text:
        out.say(say.tr("nothing changes"))
