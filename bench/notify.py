"""How fast notices are written and sent: python bench/notify.py [events] [providers].

Prints CPU seconds (the box may be busy) for reading, writing and sending to a server on loopback.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP

from sakimori.app import mailing, notifying
from sakimori.config import Mail
from sakimori.intel.contacts import read_book
from sakimori.takedown.notify.approval import Approval
from sakimori.takedown.notify.events import Policy, read
from sakimori.takedown.notify.message import Sender


class Sink:
    async def handle_DATA(self, *_: Any) -> str:  # noqa: N802 - the server's name for it
        return "250 OK"


def serve() -> int:
    loop = asyncio.new_event_loop()
    made = loop.create_server(lambda: SMTP(Sink(), loop=loop), "127.0.0.1", 0)
    port = loop.run_until_complete(made).sockets[0].getsockname()[1]
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return int(port)


def main(events: int, providers: int) -> None:
    sender, now = Sender("cert@cert.example", "Example CERT"), datetime.now(UTC)
    lines = ["time,ip,port,asn,seen,established,family,controller,controller_port"] + [
        f"2026-03-01T{n % 24:02}:{n % 60:02}:00Z,198.51.100.{n % 250},{1024 + n % 60000},"
        f"{64512 + n % providers},sinkhole,yes,Exabot,evil.example,443"
        for n in range(events)
    ]
    contacts = ["match,mail"] + [f"AS{64512 + n},a@isp{n}.example" for n in range(providers)]
    book, _ = read_book(contacts)
    mail = Mail(sender=sender.mail, organisation="x", host="127.0.0.1", port=serve(), tls="none")
    print(f"{events:,} events, {providers:,} providers")
    begun = time.process_time()
    told = read(lines, Policy())
    begun = said("read", begun, events, "events")
    plan = notifying.plan(told, notifying.Directory(book).of_event, sender, now)
    begun = said("write", begun, events, "events")
    with tempfile.TemporaryDirectory() as folder, mailing.Outbox(Path(folder) / "out") as outbox:
        approval = Approval("bench", now, plan.proposal)
        clock = time.perf_counter()
        ways = mailing.Ways(lambda: datetime.now(UTC))
        sent = mailing.send(outbox, plan.notices, mail, approval, ways)
        said("send (with the server's share)", begun, sent.count("sent"), "messages")
        print(
            f"  on the clock: {sent.count('sent') / (time.perf_counter() - clock):,.0f} messages/s"
        )


def said(what: str, begun: float, count: int, unit: str) -> float:
    now = time.process_time()
    print(f"  {what}: {now - begun:.2f} CPU s, {count / (now - begun):,.0f} {unit}/CPU s")
    return now


if __name__ == "__main__":
    main(*[int(word) for word in (*sys.argv[1:], 10_000, 500)[:2]])
