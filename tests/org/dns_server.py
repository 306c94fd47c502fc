"""A DNS server for tests: answers over UDP and TCP, and can fail in every way that servers do."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import dns.asyncresolver
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from services.org.usecases import dns as asking

UDP_BYTES = 1232


@dataclass
class DnsServer:
    """`records` are the texts per name, `aliases` lead from name to name; names in `failing` get SERVFAIL, those in `silent` nothing."""

    records: dict[str, list[str]] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    failing: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    port: int = 0

    async def look_up(self, name: str) -> Sequence[str]:
        """As org looks, but here; a server that is silent is given up sooner."""
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = ["127.0.0.1"], self.port
        return await asking.txt_records(name, resolver, seconds=0.2 if name in self.silent else 20)

    def answer(self, query: dns.message.Message) -> dns.message.Message | None:
        name = query.question[0].name.to_text(omit_final_dot=True)
        self.asked.append(name)
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA
        if name in self.silent:
            return None
        if name in self.failing:
            reply.set_rcode(dns.rcode.SERVFAIL)
            return reply
        while name in self.aliases:
            reply.answer.append(
                dns.rrset.from_text(dns.name.from_text(name), 60, "IN", "CNAME", f"{self.aliases[name]}.")
            )
            name = self.aliases[name]
        if name not in self.records:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        elif texts := [f'"{text[:200]}" "{text[200:]}"' for text in self.records[name]]:
            reply.answer.append(dns.rrset.from_text_list(dns.name.from_text(name), 60, "IN", "TXT", texts))
        return reply


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        reply = self._server.answer(dns.message.from_wire(data))
        if reply is None:
            return
        wire = reply.to_wire(max_size=65535)
        if len(wire) > UDP_BYTES:
            reply.answer.clear()
            reply.flags |= dns.flags.TC
            wire = reply.to_wire()
        self._transport.sendto(wire, addr)  # type: ignore[attr-defined]


@asynccontextmanager
async def dns_server() -> AsyncIterator[DnsServer]:
    server = DnsServer()

    async def over_tcp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        reply = server.answer(dns.message.from_wire(await reader.readexactly(length)))
        if reply is not None:
            wire = reply.to_wire(max_size=65535)
            writer.write(struct.pack("!H", len(wire)) + wire)
            await writer.drain()
        writer.close()

    while True:
        tcp = await asyncio.start_server(over_tcp, "127.0.0.1", 0)
        server.port = tcp.sockets[0].getsockname()[1]
        try:
            udp, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: _Udp(server), local_addr=("127.0.0.1", server.port)
            )
            break
        except OSError:  # what is free over TCP may be taken over UDP
            tcp.close()
    try:
        yield server
    finally:
        udp.close()
        tcp.close()
