"""`case sinkhole`, `case notify`, `case effect`: the acts of a takedown and what they changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sakimori.cli import _output as out
from sakimori.cli._app import As, Config, Format, In, InWorkspace
from sakimori.cli._app import case as group
from sakimori.cli.case import By, Name, case_of

if TYPE_CHECKING:
    from sakimori.app.case_notify import Told

_NOTICES = ("reference", "provider", "mail", "ips", "events", "wave", "state", "note")


@group.command(
    "sinkhole",
    epilog="Example: sakimori case sinkhole rustock --out sinkhole.toml --operator 'Example CSIRT'"
    " --contact abuse@csirt.example --address 127.0.0.1 --dns 53 --http 80 -w ws",
)
def sinkhole(  # noqa: PLR0913, PLR0917 - one parameter per option
    name: Name,
    zone: Annotated[
        list[str] | None, typer.Option(help="A name to hold; repeat; the controllers' if left out.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the settings of what is approved.")
    ] = None,
    operator: Annotated[str, typer.Option(help="Who runs it.")] = "",
    contact: Annotated[str, typer.Option(help="A mailbox for questions.")] = "",
    address: Annotated[list[str] | None, typer.Option(help="Listen there; repeat.")] = None,
    dns: Annotated[int | None, typer.Option(help="Port for DNS.")] = None,
    http: Annotated[int | None, typer.Option(help="Port for HTTP.")] = None,
    https: Annotated[int | None, typer.Option(help="Port for HTTPS.")] = None,
    tcp: Annotated[list[int] | None, typer.Option(help="Ports that only listen; repeat.")] = None,
    log: Annotated[str, typer.Option(help="Folder of its log.")] = "sinkhole-log",
    days: Annotated[int, typer.Option(min=1, help="It ends after this many days.")] = 30,
    by: By = "",
    workspace: InWorkspace = None,
    config: Config = None,
) -> None:
    """Propose to hold the controllers' names; with --out, write the settings of what is approved."""
    from sakimori.app import case_sinkhole  # noqa: PLC0415

    with out.opened(workspace, config=config) as ws:
        case = case_of(ws, name, by)
        if file is None:
            ids = case_sinkhole.propose(case, zone or (), days)
            out.say(f"proposed: {', '.join(map(str, ids)) or 'nothing new'};"
                    f" see sakimori case proposals {name}")  # fmt: skip
            return
        site = case_sinkhole.Site(
            operator=operator, contact=contact, addresses=tuple(address or ("127.0.0.1",)),
            dns=dns, http=http, https=https, tcp=tuple(tcp or ()), log=log,
        )  # fmt: skip
        path, names = case_sinkhole.settings(case, site, file)
    out.say(f"{path}: {len(names)} names; next: sakimori sinkhole run --config {path}")


@group.command(
    "notify", epilog="Example: sakimori case notify rustock --contacts contacts.csv -w ws"
)
def notify(  # noqa: PLR0913, PLR0917 - one parameter per option
    name: Name,
    contacts: Annotated[Path | None, typer.Option(help="CSV: match,mail,name,key,lang.")] = None,
    rdap: Annotated[bool, typer.Option("--rdap", help="Ask the registries, too.")] = False,
    no_mail: Annotated[Path | None, typer.Option(help="Never write to these, one a line.")] = None,
    events: Annotated[Path | None, typer.Option(help="More events: CSV as for `notify`.")] = None,
    family: Annotated[
        list[str] | None, typer.Option(help="Use abuse reports of this family only; repeat.")
    ] = None,
    waves: Annotated[int, typer.Option(min=0, help="Tell in this many waves, by lot.")] = 0,
    seed: Annotated[str, typer.Option(help="Of the lot; it is recorded.")] = "",
    wave: Annotated[int, typer.Option(min=0, help="Only this wave, from 1.")] = 0,
    send: Annotated[bool, typer.Option("--send", help="Send what is approved.")] = False,
    by: By = "",
    workspace: InWorkspace = None,
    form: As = Format.table,
    config: Config = None,
) -> None:
    """Write one notice per provider, propose them, and with --send send exactly what is approved."""
    from sakimori import config as settings  # noqa: PLC0415
    from sakimori.app import case_notify, notifying  # noqa: PLC0415
    from sakimori.takedown.notify.events import Read  # noqa: PLC0415

    given = settings.load(config)
    more = notifying.events_from(events) if events else Read()
    book, rejects = notifying.book_from(contacts, no_mail)
    for reject in rejects:
        out.say(f"warning: {contacts}:{reject.line}: {out.shown(reject.reason)}; row not used")
    with (
        out.opened(workspace, config=config) as ws,
        notifying.directory(book, given.rdap if rdap else None) as place,
    ):
        telling = case_notify.Telling(
            find=place.of_event, mail=given.mail, waves=waves, seed=seed, wave=wave, more=more,
            families=tuple(family or ()),
        )  # fmt: skip
        told = case_notify.notify(case_of(ws, name, by), telling, send=send)
    _print_notices(told, form, name)


def _print_notices(told: Told, form: Format, name: str) -> None:
    from sakimori.app import notifying  # noqa: PLC0415
    from sakimori.errors import PartFailedError  # noqa: PLC0415

    plan = told.plan
    if form is Format.json:
        out.print_json({**notifying.as_object(plan, told.entries, told.sent, ()),
                        "proposal_id": told.proposal})  # fmt: skip
    else:
        out.print_rows([notifying.notice_object(e) for e in told.entries], form, _NOTICES)
    for nobody in plan.no_contact:
        ips = ", ".join(nobody.ips[:5])
        out.say(f"no contact: {out.shown(nobody.name)}: {out.shown(ips)}: {out.shown(nobody.why)}")
    if plan.refused:
        out.say(
            f"{len(plan.refused)} events are not told, such as: {out.shown(plan.refused[0].reason)}"
        )
    if told.sent is None:
        out.say(f"nothing was sent; proposal {told.proposal}: sakimori case approve {name}"
                f" {told.proposal} --by NAME, then --send")  # fmt: skip
    elif told.sent.problem:
        raise PartFailedError(told.sent.problem, hint=told.sent.hint or "run the same again")
    else:
        out.say(f"{told.sent.count('sent')} sent, {told.sent.skipped} done before")


@group.command("size", epilog="Example: sakimori case size rustock --asn asn.tsv -w ws")
def size(  # noqa: PLR0913, PLR0917 - one parameter per option
    name: Name,
    second: Annotated[
        Path | None, typer.Option(help="Another sinkhole's hits, CSV: time,ip,port,bot_id,asn.")
    ] = None,
    asn: Annotated[
        Path | None, typer.Option(help="Table of address ranges and AS numbers.")
    ] = None,
    by: By = "",
    workspace: InWorkspace = None,
    lang: In = None,
    form: As = Format.table,
    config: Config = None,
) -> None:
    """Estimate how many bots called the case's sinkhole, with intervals."""
    from sakimori.app import case_size  # noqa: PLC0415
    from sakimori.cli.size import print_size  # noqa: PLC0415

    with out.opened(workspace, lang=lang, config=config) as ws:
        sized = case_size.size(case_of(ws, name, by), second, asn)
        language = ws.settings.lang
    print_size(sized, form, language)


@group.command("effect", epilog="Example: sakimori case effect rustock --date 2011-03-16 -w ws")
def effect(  # noqa: PLR0913, PLR0917 - one parameter per option
    name: Name,
    date: Annotated[str, typer.Option("--date", "-d", help="Day (or time, UTC) of the act.")],
    series: Annotated[
        Path | None, typer.Option(help="series,date,value; counted from the lake if left out.")
    ] = None,
    register: Annotated[
        bool,
        typer.Option("--register", help="Before the act: put on record what will be measured."),
    ] = False,
    after: Annotated[int, typer.Option(min=3, help="With --register: days after to use.")] = 56,
    sensor: Annotated[list[str] | None, typer.Option(help="A sensor that counts; repeat.")] = None,
    control: Annotated[str | None, typer.Option(help="A series not touched by the act.")] = None,
    outages: Annotated[str | None, typer.Option(help="Days without a sensor.")] = None,
    depart: Annotated[
        bool, typer.Option("--depart", help="Measure though the plan differs.")
    ] = False,
    chart: Annotated[Path | None, typer.Option(help="Draw it: .svg, .png or .html.")] = None,
    by: By = "",
    workspace: InWorkspace = None,
    lang: In = None,
    form: As = Format.table,
    config: Config = None,
) -> None:
    """Register what will be measured, then measure what the act changed."""
    from sakimori.app import case_effect, effects  # noqa: PLC0415
    from sakimori.cli.effect import print_effects  # noqa: PLC0415
    from sakimori.i18n import Translator  # noqa: PLC0415

    options = effects.options(control=control, outages=outages)
    with out.opened(workspace, lang=lang, config=config) as ws:
        case, say = case_of(ws, name, by), Translator(ws.settings.lang)
        path = case_effect.series_file(case, series)
        if register:
            plan = effects.register(path, date, after, sensor or (), options)
            case_effect.register(case, path, plan)
            out.print_json(plan)
            return
        told = case_effect.measure(case, path, date, options, depart=depart)
    if chart is not None:
        drawn = effects.write_chart(told, effects.checked_chart(chart), say)
        out.say(f"drawn: {chart} ({out.shown(', '.join(drawn))})")
    print_effects(told, say, form)
