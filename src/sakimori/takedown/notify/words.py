"""The sentences of a notice to a provider, in the provider's language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sakimori.hostile import defanged, visible
from sakimori.takedown.notify.attachments import stamp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from sakimori.i18n import Translator
    from sakimori.takedown.notify.events import VictimEvent

SHOWN = 30  # events in the text; all are attached


@dataclass(frozen=True, slots=True)
class Occasion:
    """Why this message is written: first notice, reminder, or escalation to a national CERT."""

    kind: str = "notice"  # notice, reminder, escalation
    number: int = 0  # of the reminder, from 1
    provider: str = ""  # escalation: who did not answer
    first_told: datetime | None = None
    answers_to: str = ""  # Message-ID of the first notice


def cold(text: str) -> str:
    """Return an attacker's name or address that no program turns into a link."""
    return defanged(text, 120).replace(".", "[.]") if "." in text else defanged(text, 120)


def subject(say: Translator, events: Sequence[VictimEvent], occasion: Occasion, tlp: str) -> str:
    """Return the subject. It names no address and no botnet: it is readable by everyone."""
    told = say.tr("Infected computers in your network (addresses: {ips}, events: {events})",
                  ips=len({e.ip for e in events}), events=len(events))  # fmt: skip
    if occasion.kind == "reminder":
        told = say.tr("Reminder {number}: {subject}", number=occasion.number, subject=told)
    if occasion.kind == "escalation":
        told = say.tr("Please help: a provider does not answer (infected addresses: {ips})",
                      ips=len({e.ip for e in events}))  # fmt: skip
    return f"[TLP:{tlp.upper()}] {told}"


def opening(say: Translator, name: str, occasion: Occasion) -> Iterator[str]:
    """Give the greeting, and what came before."""
    yield say.tr("To the abuse team of {name}", name=defanged(name))
    yield ""
    told = f"{occasion.first_told:%Y-%m-%d}" if occasion.first_told else None
    if occasion.kind == "reminder":
        yield say.tr(
            "We wrote to you on {told} and have seen no answer. This is reminder {number}.",
            told=told, number=occasion.number,
        )  # fmt: skip
        yield ""
    if occasion.kind == "escalation":
        yield say.tr(
            "We told {provider} on {told}, reminded them {number} times, and had no answer. "
            "Please help us to reach them.",
            provider=defanged(occasion.provider), told=told, number=occasion.number,
        )  # fmt: skip
        yield ""


def what_was_seen(say: Translator, events: Sequence[VictimEvent]) -> Iterator[str]:
    """Give what happened and how it is known."""
    yield say.tr(
        "Computers of your network (addresses: {ips}) behaved as bots: someone else commands them, "
        "mostly without their owners' knowledge. They were seen from {first} to {last} UTC (events: "
        "{events}).",
        ips=len({e.ip for e in events}), events=len(events),
        first=_minute(events[0]), last=_minute(events[-1]),
    )  # fmt: skip
    yield ""
    yield say.tr("How it was seen")
    ways = _ways(say)
    for seen in sorted({e.seen for e in events}):
        count = sum(e.seen == seen for e in events)
        yield say.tr("- {way} (events: {events})", way=ways[seen], events=count)
    yield ""


def _ways(say: Translator) -> dict[str, str]:
    return {
        "sinkhole": say.tr(
            "sinkhole: the computer called a server that answers in place of a botnet's controller"
        ),
        "cnc_log": say.tr("cnc_log: the address is in the log of a botnet's controller"),
        "crawler": say.tr("crawler: the computer answered us in the botnet's own protocol"),
        "honeypot": say.tr(
            "honeypot: the computer attacked a machine that is there to be attacked"
        ),
        "flow": say.tr("flow: its traffic with a botnet's controller was seen"),
        "drop_site": say.tr("drop_site: its data was found where the botnet keeps what it steals"),
        "report": say.tr("report: another party reported it to us"),
        "dns": say.tr("dns: a name of the botnet was asked for"),
    }


def what_to_do(say: Translator, reference: str) -> Iterator[str]:
    """Give the steps that we ask for."""
    yield say.tr("What we ask of you")
    yield say.tr(
        "1. Find the customer by address, source port and time. Where customers share an address, "
        "only the port tells them apart."
    )
    yield say.tr(
        "2. Tell the customer. A letter or a page that the customer must pass works better than "
        "e-mail, which is often not read."
    )
    yield say.tr("3. Keep the computer from attacking others until it is clean.")
    yield say.tr(
        "4. Answer this message and say what you did. Please leave the reference {reference} in it.",
        reference=reference,
    )
    yield ""


def limits(say: Translator, events: Sequence[VictimEvent]) -> Iterator[str]:
    """Give what the events do not say."""
    yield say.tr("What this does not say")
    if all(e.established for e in events):
        yield say.tr(
            "- In every event the connection was completed in both directions, so the source "
            "address is not forged."
        )
    else:
        yield say.tr(
            "- Events marked 'unconfirmed' had no completed connection: the address may be forged. "
            "Do not accuse anyone because of them alone."
        )
    yield say.tr(
        "- An address is not a person, and may have gone to another customer since. The owner is a "
        "victim too."
    )
    yield ""


def table(say: Translator, events: Sequence[VictimEvent]) -> Iterator[str]:
    """Give the first events, one a line; controllers are written so that nothing links to them."""
    yield say.tr("The events (UTC time, address and port, seen, botnet, controller)")
    for event in events[:SHOWN]:
        yield "  " + "  ".join(_cells(say, event))
    if len(events) > SHOWN:
        yield say.tr("  and {more} more in the attachment", more=len(events) - SHOWN)
    yield ""


def _cells(say: Translator, event: VictimEvent) -> Iterator[str]:
    yield stamp(event)
    host = f"[{event.ip}]" if ":" in event.ip else event.ip
    yield f"{host}:{event.port}" if event.port else host
    yield event.seen if event.established else f"{event.seen} ({say.tr('unconfirmed')})"
    yield cold(event.family or event.botnet) or "-"
    if event.controller:
        port = f":{event.controller_port}" if event.controller_port else ""
        yield f"-> {cold(event.controller)}{port}"


def closing(say: Translator, tlp: str, organisation: str, about: str) -> Iterator[str]:
    """Give the attachments, who may read this, and who wrote."""
    yield say.tr(
        "Attached: all events as CSV, and as XARF v4 reports (JSON) for your ticket system."
    )
    yield _sharing(say, tlp)
    yield ""
    yield visible(organisation)
    if about:
        yield say.tr("Questions: {about}", about=about)


def _sharing(say: Translator, tlp: str) -> str:
    rules = {
        "clear": say.tr("TLP:CLEAR: you may pass this on to anyone."),
        "green": say.tr("TLP:GREEN: you may pass this on in your community, but not publish it."),
        "amber": say.tr("TLP:AMBER: only for your organisation and the customers concerned."),
        "amber+strict": say.tr("TLP:AMBER+STRICT: only for your organisation."),
        "red": say.tr("TLP:RED: only for the person this is addressed to."),
    }
    return rules[tlp]


def _minute(event: VictimEvent) -> str:
    return f"{event.time:%Y-%m-%d %H:%M}"
