"""`evidence`: keep a chain of evidence, seal and stamp it, hand it over, export and verify it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sakimori.cli import _output as out
from sakimori.cli._app import As, ByActor, Config, Format, In, InWorkspace
from sakimori.cli._app import evidence as group

if TYPE_CHECKING:
    from sakimori.app.evidencing import Evidence
    from sakimori.takedown.evidence.record import Record
    from sakimori.takedown.evidence.report import Report

OfChain = Annotated[
    str, typer.Option("--chain", help="A case of the workspace, or a folder.", metavar="CASE|DIR")
]
InKeys = Annotated[
    Path | None,
    typer.Option("--keys", metavar="DIR",
                 help="Folder of the private key. Default: keys/ in the workspace or the folder."),
]  # fmt: skip
_COLUMNS = ("seq", "time", "kind", "actor", "body", "objects")
_SHOWN = 50  # problems in a table
_PROBLEM = ("code", "where", "message")


def _evidence(
    name: str, workspace: Path | None, config: Path | None, actor: str, keys: Path | None
) -> Evidence:
    """Find a case's evidence, or a folder's; only a bare name needs a workspace."""
    from sakimori import config as settings  # noqa: PLC0415
    from sakimori.app.evidencing import Evidence  # noqa: PLC0415

    home = settings.load(config, options={"workspace": workspace}).workspace
    return Evidence.of(name, home, actor=actor, keys=keys)


@group.command("init", epilog="Example: sakimori evidence init --chain case1/evidence --actor aiko")
def init(
    chain: OfChain,
    actor: ByActor = "",
    keys: InKeys = None,
    workspace: InWorkspace = None,
    config: Config = None,
) -> None:
    """Begin a chain, and make the key that seals it where there is none."""
    kept = _evidence(chain, workspace, config, actor, keys)
    new = kept.begin()
    out.say(f"{'began' if new else 'there is already'} a chain in {kept.folder}")
    out.say(f"give others {kept.keys / 'evidence.pub.pem'}; keep the other file there secret")


@group.command(
    "add", epilog="Example: sakimori evidence add sinkhole.log --chain case1/evidence --actor aiko"
)
def add(  # noqa: PLR0913, PLR0917 - one parameter per option
    files: Annotated[list[Path], typer.Argument(help="Files to keep, as they are now.")],
    chain: OfChain,
    kind: Annotated[str, typer.Option(help="input, finding, plan, approval, act, message, note.")] = "input",
    note: Annotated[str, typer.Option(help="A sentence about them.")] = "",
    copy: Annotated[
        bool, typer.Option("--copy/--no-copy", help="Keep their bytes, or only hash and path.")
    ] = True,
    actor: ByActor = "",
    keys: InKeys = None,
    workspace: InWorkspace = None,
    form: As = Format.table,
    config: Config = None,
) -> None:  # fmt: skip
    """Add files to a chain, as one record."""
    kept = _evidence(chain, workspace, config, actor, keys)
    body = {"note": note} if note else {}
    _print([kept.record(kind, body, files, copy=copy)], form)


@group.command("seal", epilog="Example: sakimori evidence seal --chain case1/evidence")
def seal(
    chain: OfChain,
    actor: ByActor = "",
    keys: InKeys = None,
    workspace: InWorkspace = None,
    config: Config = None,
) -> None:
    """Sign everything recorded so far."""
    made = _evidence(chain, workspace, config, actor, keys).seal()
    out.say(f"sealed as record {made.seq}; {made.body['statement'].splitlines()[-1]}")


@group.command(
    "stamp",
    epilog="Example: sakimori evidence stamp --chain case1/evidence --tsa http://tsa.example/",
)
def stamp(  # noqa: PLR0913, PLR0917 - one parameter per option
    chain: OfChain,
    tsa: Annotated[
        list[str], typer.Option("--tsa", metavar="URL", help="A stamping authority (RFC 3161); repeat for more.")
    ],
    tsa_cert: Annotated[
        list[Path] | None, typer.Option("--tsa-cert", metavar="PEM", help="Root certificates that we trust.")
    ] = None,
    actor: ByActor = "",
    keys: InKeys = None,
    workspace: InWorkspace = None,
    form: As = Format.table,
    config: Config = None,
) -> None:  # fmt: skip
    """Have the newest seal time-stamped. A failure is recorded, and the seal stays waiting."""
    from sakimori.app import evidencing  # noqa: PLC0415

    kept = _evidence(chain, workspace, config, actor, keys)
    made = kept.stamp(tsa, [evidencing.read_file(path) for path in tsa_cert or ()])
    if not made:
        out.say("the newest seal is stamped already")
        return
    _print(made, form)
    evidencing.check_stamped(made)


@group.command(
    "custody",
    epilog="Example: sakimori evidence custody --chain case1/evidence --from aiko --to 'the prosecutor'"
    " --why 'court order 12/3' --tlp AMBER --receipt R-77",
)
def custody(  # noqa: PLR0913, PLR0917 - one parameter per option
    chain: OfChain,
    giver: Annotated[str, typer.Option("--from", help="Who hands over.")],
    receiver: Annotated[str, typer.Option("--to", help="Who receives.")],
    why: Annotated[str, typer.Option(help="Why.")],
    tlp: Annotated[str, typer.Option(help="CLEAR, GREEN, AMBER, AMBER+STRICT or RED.")],
    receipt: Annotated[str, typer.Option(help="What the receiver gave: a number or words.")] = "",
    receipt_file: Annotated[Path | None, typer.Option(help="The receipt as a file.")] = None,
    what: Annotated[str, typer.Option(help="What was handed over, such as a bundle's hash.")] = "",
    actor: ByActor = "",
    keys: InKeys = None,
    workspace: InWorkspace = None,
    form: As = Format.table,
    config: Config = None,
) -> None:
    """Record that evidence changed hands."""
    from sakimori.takedown.evidence.custody import Transfer  # noqa: PLC0415

    kept = _evidence(chain, workspace, config, actor, keys)
    given = Transfer(giver=giver, receiver=receiver, why=why, tlp=tlp, receipt=receipt, what=what)
    _print([kept.hand_over(given, receipt_file)], form)


@group.command("new-key", epilog="Example: sakimori evidence new-key --chain case1/evidence")
def new_key(
    chain: OfChain,
    actor: ByActor = "",
    keys: InKeys = None,
    workspace: InWorkspace = None,
    config: Config = None,
) -> None:
    """Replace the key; the old one signs the new one, so who trusts it can go on."""
    made = _evidence(chain, workspace, config, actor, keys).replace_key()
    out.say(f"replaced as record {made.seq}; {made.body['statement'].splitlines()[2]}")


@group.command("list", epilog="Example: sakimori evidence list --chain case1/evidence")
def list_(
    chain: OfChain,
    workspace: InWorkspace = None,
    form: As = Format.table,
    config: Config = None,
) -> None:
    """Show every record of a chain."""
    _print(_evidence(chain, workspace, config, "", None).records(), form)


@group.command(
    "export",
    epilog="Example: sakimori evidence export case1/evidence --out case1.zip --redact message:to"
    " --reason 'personal data'",
)
def export(  # noqa: PLR0913, PLR0917 - one parameter per option
    source: Annotated[str, typer.Argument(metavar="CASE|DIR|BUNDLE", help="What to export.")],
    to: Annotated[Path, typer.Option("--out", help="New .zip, .tar or folder.")],
    redact: Annotated[
        list[str] | None,
        typer.Option("--redact", metavar="PART",
                     help="Leave out a field, `actor` or `object=NAME`; `12:PART` and `message:PART`"
                     " narrow it to a record or kind. Repeat for more."),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why it is left out; others can read this.")] = "",
    lang: In = None,
    actor: ByActor = "",
    keys: InKeys = None,
    workspace: InWorkspace = None,
    config: Config = None,
) -> None:  # fmt: skip
    """Write a bundle that others can check without Sakimori. What is not sealed is sealed first."""
    from sakimori.app import evidencing  # noqa: PLC0415
    from sakimori.takedown.evidence.archive import ENDINGS  # noqa: PLC0415

    path = Path(source)
    is_bundle = path.suffix in ENDINGS or (path / "bundle.json").is_file()
    kept = _evidence(source, workspace, config, actor, keys)
    leave = evidencing.redactions_of(redact or (), reason)
    made = kept.export(to, leave, lang or "en", source=path if is_bundle else None)
    out.say(f"wrote {made.path}: {made.records} records, last hash {made.head}")
    if made.left_out:
        out.say(f"left out: {made.left_out} parts")
    for where in made.leaks:
        out.say(f"WARNING: a value that was left out also stands in {where}; look before you send")


@group.command(
    "verify", epilog="Example: sakimori evidence verify case1.zip --key evidence.pub.pem"
)
def verify(
    bundle: Annotated[Path, typer.Argument(help="A bundle, or a chain's folder.")],
    key: Annotated[
        list[Path] | None,
        typer.Option("--key", metavar="PEM", help="Public key of who must have signed; repeat for more."),
    ] = None,
    tsa_cert: Annotated[
        list[Path] | None,
        typer.Option("--tsa-cert", metavar="PEM", help="Root certificate of a stamping authority."),
    ] = None,
    form: As = Format.table,
) -> None:  # fmt: skip
    """Find every changed, missing, added or moved byte. Exit code 4 when there is one."""
    from sakimori.app import evidencing  # noqa: PLC0415

    report = evidencing.verify(bundle, key or (), tsa_cert or ())
    if form is Format.json:
        out.print_json(evidencing.as_object(report))
    elif form is Format.csv:
        out.print_rows([asdict(p) for p in report.problems], form, _PROBLEM)
    else:
        _print_report(report)
    evidencing.check_report(report)


def _print_report(report: Report) -> None:
    if report.problems:
        out.print_table([asdict(p) for p in report.problems[:_SHOWN]], _PROBLEM)
    if len(report.problems) > _SHOWN:
        out.say(f"and {len(report.problems) - _SHOWN} more problems: --format csv lists all")
    facts: list[tuple[str, Any]] = [
        ("records", report.records),
        ("from", report.first),
        ("to", report.last),
        ("last hash", report.head),
        ("not sealed", report.unsealed),
    ]
    for s in report.seals:
        word = "holds" if s.holds else "DOES NOT HOLD"
        text = f"{word}: {s.records} records, key {s.key[:16]}, {s.time}"
        facts.append((f"seal {s.record}", text))
    for t in report.stamps:
        text = f"{t.status}: seal {t.seal}, {t.authority} {t.time}{t.reason}"
        facts.append((f"stamp {t.record}", text))
    facts += [("left out", f"record {g.record}, {g.part}: {g.reason}") for g in report.left_out]
    facts += [("key", key) for key in report.keys]
    out.print_table([{"what": name, "found": value} for name, value in facts], ("what", "found"))
    for warning in report.warnings:
        out.say(f"note: {warning}")
    if report.ok:
        out.say("nothing was changed, removed, added or moved")


def _print(records: list[Record], form: Format) -> None:
    """Print records; for people without keys and signatures."""
    from sakimori.takedown.evidence.pages import for_people  # noqa: PLC0415

    rows = [asdict(record) for record in records]
    for row, record in zip(rows, records, strict=True):
        if form is not Format.json:
            row["body"] = "; ".join(
                f"{name}: {value}" for name, value in for_people(record).items()
            )
            row["objects"] = [o.name if o else "left out" for o in record.objects]
    out.print_rows(rows, form, _COLUMNS)
