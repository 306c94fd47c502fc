"""An invented organization moves in, through the public API alone: every event, invoice and audit entry is what really happened."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from shared.cli.demo.api import Gateway, Person, expect, sign_up, until
from shared.cli.demo.invented import Invented, LinkRow
from shared.cli.demo.roster import DashboardRow, RosterRow
from shared.cli.demo.story import set_sharing
from shared.cli.progress import Progress
from shared.links import link_token

AT_ONCE = 8
BATCH = 200
TOKEN_SECONDS = 200.0  # an access token lives for 300
SETTLE_SECONDS = 600.0

T = TypeVar("T")
Ask = Callable[..., Awaitable[Any]]


@dataclass
class Moving:
    """One organization on its way in. `links_key` makes the tokens that were mailed, as courier does; `ask` asks billing as an operator."""

    gateway: Gateway
    wanted: Invented
    links_key: bytes
    ask: Ask
    by: str
    admin: Person = field(init=False)
    org_id: str = ""
    groups: dict[str, str] = field(default_factory=dict)
    authors: dict[str, Person] = field(default_factory=dict)
    user_ids: dict[str, str] = field(default_factory=dict)
    _signed_in: dict[str, float] = field(default_factory=dict)

    async def move_in(self) -> None:
        await self.found()
        await self.set_up()
        await self.invite_everybody()
        await self.register()
        await self.share_by_link()
        await self.some_leave()
        await self.settle()

    async def found(self) -> None:
        founder = self.wanted.founder
        self.admin = await sign_up(self.gateway, founder.email, founder.name, self.wanted.company, quietly=True)
        self._came(self.admin)
        self.org_id = (await self.admin.ask("GET", "/v1/organization", quietly=True)).ok()["id"]
        self.authors[founder.email] = self.admin
        self.user_ids[founder.email] = self.admin.user_id

    async def set_up(self) -> None:
        """Plan, invoice, legal record, preferences, keys and groups: what an organization has before its people come."""
        wanted, admin = self.wanted, self.admin
        if wanted.authors > 18:
            year = time.gmtime().tm_year + 1
            agreed = {"entitlement": "author_slots", "value": wanted.authors + 10, "until": f"{year}-12-31T00:00:00Z"}
            await self.ask(
                "PUT", f"/internal/overrides/{self.org_id}", {**agreed, "reason": "Agreed with sales", "by": self.by}
            )
        details = {
            "company": wanted.company,
            "address": list(wanted.address),
            "country": wanted.country,
            "email": f"invoices@{wanted.domain}",
        }
        await self._write("PUT", "/v1/billing-details", details, headers={"If-Match": "*"})
        plan = {"plan": "business", "interval": "month"}
        preview = (await admin.ask("POST", "/v1/subscription/change-previews", plan, quietly=True)).ok()
        await self._write("POST", "/v1/subscription/changes", {**plan, "fingerprint": preview["fingerprint"]})
        await self._pay()
        await self._write(
            "PATCH", "/v1/organization/preferences", {"country": wanted.country}, headers={"If-Match": "*"}
        )
        documents = (await admin.ask("GET", "/v1/legal/documents?limit=100", quietly=True)).ok()["data"]
        text = next(one for one in documents if one["kind"] == "dpa")
        signed = {"name": wanted.founder.name, "title": "Head of Data"}
        await self._write(
            "POST",
            "/v1/legal/dpa/decisions",
            {"decision": "accepted", "sha256": text["sha256"], "signatory": signed},
        )
        for name, access, areas in (
            ("Nightly reports", "view", ["users", "groups"]),
            ("Registers dashboards", "manage", ["dashboards"]),
        ):
            await self._write("POST", "/v1/api-keys", {"name": name, "access": access, "areas": areas})
        for name in wanted.groups:
            made = await self._write("POST", "/v1/groups", {"name": name})
            self.groups[name] = made["id"]
        for name in wanted.founder.groups:
            await self._write("PUT", f"/v1/groups/{self.groups[name]}/members/{admin.user_id}")

    async def _pay(self) -> None:
        """The first invoice, as the operator sees it on a bank statement."""
        found = await until(
            lambda: self.admin.ask("GET", "/v1/invoices", quietly=True),
            lambda answer: answer.status == 200 and bool(answer.json["data"]),
        )
        for invoice in found.json["data"]:
            if invoice["status"] == "open":
                paid = {"number": invoice["number"], "reference": "Bank statement", "by": self.by}
                await self.ask("POST", "/internal/payments", paid)

    async def invite_everybody(self) -> None:
        people = [row for row in self.wanted.people if row is not self.wanted.founder]
        with Progress("people", len(people), "people") as progress:
            for begin in range(0, len(people), BATCH):
                some = people[begin : begin + BATCH]
                tokens = await self._invite(some)

                async def come(row: RosterRow, tokens: dict[str, str] = tokens) -> None:
                    await self._come(row, tokens[row.email])
                    progress.advance()

                await each(some, come)
        for begin in range(0, len(self.wanted.invited), BATCH):
            await self._invite(self.wanted.invited[begin : begin + BATCH])

    async def _invite(self, rows: Sequence[RosterRow]) -> dict[str, str]:
        """The tokens in the mails, by address."""
        invitations = [
            {"email": row.email, "role": row.role, "group_ids": [self.groups[name] for name in row.groups]}
            for row in rows
        ]
        answer = await self._write("POST", "/v1/invitations/batches", {"invitations": invitations})
        refused = [row["problem"] for row in answer["results"] if row["problem"]]
        expect(not refused, f"{len(refused)} invitations were refused, the first: {refused[:1]}")
        sent = [row["invitation"] for row in answer["results"]]
        return {one["email"]: link_token(self.links_key, "invitation", one["id"], one["link_version"]) for one in sent}

    async def _come(self, row: RosterRow, token: str) -> None:
        person = Person(self.gateway, row.email, row.name)
        await person.accept(token, quietly=True)
        self.user_ids[row.email] = person.user_id
        if row.role != "viewer":
            self.authors[row.email] = person
            self._came(person)
        self.admin.last_change.append(person.last_change[-1])

    async def register(self) -> None:
        with Progress("dashboards", len(self.wanted.dashboards), "dashboards") as progress:

            async def one(board: DashboardRow) -> None:
                owner = await self._awake(self.authors[board.owner])
                wanted = {"id": board.id, "title": board.title, "parameters": self.wanted.parameters[board.id]}
                (await owner.write("POST", "/v1/dashboards", wanted, after=owner.last_change[-1], quietly=True)).ok()
                if board.shared_with != ("nobody",):
                    await set_sharing(owner, board.id, self._sharing(board))
                progress.advance()

            await each(self.wanted.dashboards, one)

    def _sharing(self, board: DashboardRow) -> dict[str, Any]:
        if board.shared_with[0] in ("all_users", "all_analysts"):
            return {"mode": board.shared_with[0], "group_ids": [], "notify": False}
        groups = [self.groups[name] for name in board.shared_with]
        return {"mode": "groups", "group_ids": groups, "notify": False}

    async def share_by_link(self) -> None:
        owners = {board.id: board.owner for board in self.wanted.dashboards}

        async def one(link: LinkRow) -> None:
            owner = await self._awake(self.authors[owners[link.dashboard_id]])
            path = f"/v1/dashboards/{link.dashboard_id}/links"
            token = (await owner.write("POST", path, link.wanted, quietly=True)).ok()["token"]
            for _ in range(link.opened):
                where = f"/v1/shared/{link.dashboard_id}?sharingToken={token}"
                (await self.gateway.send("GET", where, quietly=True)).ok()
            progress.advance()

        with Progress("links", len(self.wanted.links), "links") as progress:
            await each(self.wanted.links, one)

    async def some_leave(self) -> None:
        ids = sorted(self.user_ids[email] for email in self.wanted.leaving)
        for begin in range(0, len(ids), BATCH):
            act = {"action": "deactivate", "user_ids": ids[begin : begin + BATCH]}
            done = await self._write("POST", "/v1/users/bulk-actions", act)
            expect(done["refused"] == 0, f"some can't be deactivated: {done['results']}")

    async def settle(self) -> None:
        """Until every service has applied the last change of everybody."""
        deadline = time.monotonic() + SETTLE_SECONDS
        for change in {self.admin.last_change[-1], *(one.last_change[-1] for one in self.authors.values())}:
            while True:
                admin = await self._awake(self.admin)
                reply = await admin.ask("GET", f"/v1/changes/{change}", after="", quietly=True)
                if reply.status == 200 and all(one["state"] == "applied" for one in reply.json["subscribers"]):
                    break
                expect(
                    time.monotonic() < deadline, f"after {SETTLE_SECONDS:.0f} s not everybody has heard: {reply.json}"
                )
                await asyncio.sleep(0.05)

    async def _write(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        admin = await self._awake(self.admin)
        return (await admin.write(method, path, body, after=admin.last_change[-1], quietly=True, **options)).ok()

    async def _awake(self, person: Person) -> Person:
        """With an access token that lives a little longer."""
        if time.monotonic() - self._signed_in[person.email] > TOKEN_SECONDS:
            self._came(person)
            fresh = await self.gateway.send(
                "POST", "/v1/auth/tokens", {"refresh_token": person.refresh_token}, quietly=True
            )
            person.token, person.refresh_token = fresh.ok()["access_token"], fresh.json["refresh_token"]
        return person

    def _came(self, person: Person) -> None:
        self._signed_in[person.email] = time.monotonic()


async def each(many: Iterable[T], do: Callable[[T], Awaitable[None]]) -> None:
    """Some at a time; the first that fails ends it."""
    waiting = iter(many)

    async def work() -> None:
        for one in waiting:
            await do(one)

    try:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(work())
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from None
