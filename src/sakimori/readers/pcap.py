"""Packet captures (pcap, pcapng) to connections, DNS, HTTP, TLS, IRC and mail.

A stand-in where no sensor ran: connections and their states follow Zeek's words, so that the
same hunts run. Not read: IP in IP, GRE, QUIC beyond its recognition, 802.11.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sakimori.readers._flowtable import FlowTable
from sakimori.readers._packets import LINK_NAMES, Decoder
from sakimori.readers._pcap_bytes import Faults, MalformedError
from sakimori.readers._pcap_file import CLASSIC, ORDERS, SECTION, Capture
from sakimori.readers._pcap_rows import Sink
from sakimori.readers._pcap_watch import Watchers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.readers._contract import Options, Reject, Rows
    from sakimori.readers._pcap_file import Frame
    from sakimori.readers._source import Source

NAME = "pcap"
TITLE = "Packet captures (pcap, pcapng)"
WRITES = ("conn", "dns", "http", "tls", "mail", "irc")
GROWS = False


def recognises(source: Source) -> bool:
    """Whether the head begins with one of pcap's four magics or a pcapng section."""
    head = source.head
    return head[:4] in CLASSIC or (head[:4] == SECTION and head[8:12] in ORDERS)


def read(source: Source, options: Options) -> Iterator[Rows | Reject]:
    """Read one capture. A reject's line is the packet's number, from 1.

    The first 100 bad packets are rejects, the others one reject with their count. A packet cut
    off by the end of the file, and link types that are not read, are lines in `source.warnings`.

    Raises SourceError when the file has no header of a capture.
    """
    del options  # a capture carries its own times, in UTC
    faults, decoder, sink = Faults(), Decoder(), Sink()
    table = FlowTable(sink, Watchers(sink))
    capture = Capture(source, faults)
    frames = capture.frames()
    while _fill(frames, decoder, table, (capture, faults, sink)):
        yield from faults.take()
        yield from sink.batches()
    table.end()
    yield from faults.take()
    yield from faults.rest()
    yield from sink.batches()
    source.warnings += [
        f"{count} packets of link type {link} ({LINK_NAMES.get(link, 'unknown')}) are not read"
        for link, count in sorted(decoder.unknown.items())
    ]


def _fill(
    frames: Iterator[Frame],
    decoder: Decoder,
    table: FlowTable,
    state: tuple[Capture, Faults, Sink],
) -> bool:
    """Read packets until a batch is full; False at the end of the file."""
    capture, faults, sink = state
    decode, add = decoder.decode, table.add
    for time, link, data in frames:
        try:
            packet = decode(time, link, data)
        except MalformedError as error:
            faults.add(capture.number, str(error), data)
            continue
        if packet is not None:
            add(packet)
            if sink.full:
                return True
    return False
