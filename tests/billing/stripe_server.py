"""A strict stand-in for Stripe's API: it knows what billing uses of it, refuses everything else, and can lose answers after it did what was asked."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
import stripe
from aiohttp import web

from shared.clock import MovableClock

KEY = "sk_test_strict"
SECRET = "whsec_strict"
KEY_LIVES_SECONDS = 24 * 3600
CARDS = {"visa": "ok", "declined": "card_declined", "challenged": "authentication_required"}

ALLOWED: Mapping[tuple[str, str], tuple[set[str], set[str]]] = {
    ("POST", "/v1/customers"): ({"name", "email"}, {"name", "email", "metadata"}),
    ("POST", "/v1/customers/{id}"): (set(), {"invoice_settings"}),
    ("GET", "/v1/customers/{id}"): (set(), {"expand"}),
    ("DELETE", "/v1/customers/{id}"): (set(), set()),
    ("GET", "/v1/payment_methods"): ({"customer"}, {"customer", "type", "limit"}),
    ("POST", "/v1/payment_intents"): (
        {"amount", "currency", "customer", "payment_method", "confirm"},
        {"amount", "currency", "customer", "payment_method", "confirm", "off_session", "metadata"},
    ),
    ("GET", "/v1/payment_intents"): (set(), {"customer", "created", "limit", "starting_after", "expand"}),
    ("GET", "/v1/payment_intents/{id}"): (set(), {"expand"}),
    ("POST", "/v1/checkout/sessions"): (
        {"mode", "customer", "success_url", "cancel_url"},
        {
            "mode",
            "customer",
            "success_url",
            "cancel_url",
            "currency",
            "client_reference_id",
            "line_items",
            "payment_intent_data",
            "expires_at",
        },
    ),
    ("GET", "/v1/checkout/sessions/{id}"): (set(), {"expand"}),
    ("POST", "/v1/billing_portal/sessions"): ({"customer"}, {"customer", "return_url"}),
}
Answer = tuple[int, dict[str, Any]]


class Refuse(Exception):
    def __init__(self, status: int, kind: str, code: str, **more: Any) -> None:
        self.answer: Answer = (status, {"error": {"type": kind, "code": code, "message": code, **more}})


@dataclass
class StripeServer:
    """`ledger` is every payment that took money. `lose` is how many of a hundred answers never arrive; `away` answers nothing and does nothing."""

    clock: MovableClock
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    lose: int = 0
    lose_next: bool = False
    away: bool = False
    asked: list[str] = field(default_factory=list)
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    url: str = ""
    _keys: dict[str, tuple[float, bytes, Answer]] = field(default_factory=dict)
    _ids: Any = field(default_factory=lambda: itertools.count(1))

    @property
    def now(self) -> int:
        return int(self.clock.now().timestamp())

    @property
    def ledger(self) -> list[dict[str, Any]]:
        return [one for one in self.all("payment_intent") if one["status"] == "succeeded"]

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [one for one in self.objects.values() if one["object"] == kind]

    def make(self, prefix: str, kind: str, **facts: Any) -> dict[str, Any]:
        made = {"id": f"{prefix}_{next(self._ids):06}", "object": kind, "created": self.now, "livemode": False, **facts}
        self.objects[made["id"]] = made
        return made

    def happens(self, kind: str, about: dict[str, Any]) -> dict[str, Any]:
        """An event as Stripe would send it, with the state of that moment."""
        data = {"object": orjson.loads(orjson.dumps(about))}
        said = {"id": f"evt_{next(self._ids):06}", "object": "event", "type": kind, "created": self.now}
        self.events.append({**said, "livemode": False, "data": data, "api_version": stripe.api_version})
        return self.events[-1]

    # What people do on the hosted pages

    def stores(self, customer: str, card: str = "visa", last4: str = "4242") -> dict[str, Any]:
        """Somebody types a card on a page."""
        facts = {"brand": "visa", "last4": last4, "exp_month": 12, "exp_year": 2031}
        return self.make("pm", "payment_method", type="card", card=facts, customer=customer, behaves=card)

    def completes_setup(self, page: str, card: str = "visa", last4: str = "4242") -> dict[str, Any]:
        session = self.objects[page]
        method = self.stores(session["customer"], card, last4)
        intent = self.make("seti", "setup_intent", payment_method=method["id"], status="succeeded")
        session |= {"setup_intent": intent["id"], "status": "complete"}
        return self.happens("checkout.session.completed", session)

    def pays_on_page(self, page: str, card: str = "visa") -> dict[str, Any]:
        """One try; after a declined card another may follow on the same page."""
        session = self.objects[page]
        item = session["line_items"]["0"]["price_data"]
        intent = self.objects.get(session.get("payment_intent") or "") or self.make(
            "pi",
            "payment_intent",
            amount=int(item["unit_amount"]),
            currency=item["currency"],
            customer=session["customer"],
            metadata=session["payment_intent_data"]["metadata"],
        )
        session["payment_intent"] = intent["id"]
        self._confirm(intent, CARDS[card])
        return self.events[-1]

    def gives_back(self, intent: dict[str, Any]) -> dict[str, Any]:
        charge = self.objects[intent["latest_charge"]]
        charge["amount_refunded"] = charge["amount"]
        return self.happens("charge.refunded", charge)

    def signed(self, event: dict[str, Any], secret: str = SECRET, at: int | None = None) -> tuple[bytes, str]:
        """The bytes, and the header, as Stripe makes them."""
        body = orjson.dumps(event, option=orjson.OPT_INDENT_2)
        signature = stripe.WebhookSignature.generate_signature_header(body.decode(), secret, at or self.now)
        return body, str(signature)

    # The API

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if self.away:
            return _lost(request)
        body = await request.read()
        key = request.headers.get("Idempotency-Key")
        self.asked.append(f"{request.method} {request.path}")
        kept = self._keys.get(key or "")
        replayed = kept is not None and kept[0] + KEY_LIVES_SECONDS > self.now
        if replayed and kept is not None:
            same = kept[1] == body
            told = kept[2] if same else Refuse(400, "idempotency_error", "idempotency_key_in_use").answer
        else:
            try:
                told = self._act(request, body)
            except Refuse as why:
                told = why.answer
            if key is not None and request.method == "POST":
                self._keys[key] = (self.now, body, told)
        if self.lose_next or self.chance.randrange(100) < self.lose:
            self.lose_next = False
            return _lost(request)
        headers = {"Request-Id": f"req_{next(self._ids)}"} | ({"Idempotent-Replayed": "true"} if replayed else {})
        return web.json_response(told[1], status=told[0], headers=headers)

    def _act(self, request: web.Request, body: bytes) -> Answer:
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            raise Refuse(401, "invalid_request_error", "api_key_invalid")
        if request.headers.get("Stripe-Version") != stripe.api_version:
            raise Refuse(400, "invalid_request_error", "api_version_unknown")
        path, name = _split(request.path)
        required, allowed = ALLOWED.get((request.method, path)) or _nothing_there()
        if request.method == "POST" and request.content_type != "application/x-www-form-urlencoded":
            raise Refuse(400, "invalid_request_error", "content_type")
        sent = _form(body.decode()) if request.method == "POST" else _form(request.query_string)
        if missing := required - set(sent):
            raise Refuse(400, "invalid_request_error", "parameter_missing", param=min(missing))
        if unknown := set(sent) - allowed:
            raise Refuse(400, "invalid_request_error", "parameter_unknown", param=min(unknown))
        if "customer" in sent and self.objects.get(sent["customer"], {"deleted": True}).get("deleted"):
            raise Refuse(400, "invalid_request_error", "resource_missing", param="customer")
        do: Callable[[dict[str, Any], str], Answer] = getattr(self, f"_{request.method.lower()}{_word(path)}")
        return do(sent, name)

    def _post_customers(self, sent: dict[str, Any], _: str) -> Answer:
        return 200, self.make("cus", "customer", invoice_settings={"default_payment_method": None}, **sent)

    def _post_customers_id(self, sent: dict[str, Any], name: str) -> Answer:
        self._one(name)["invoice_settings"] |= sent["invoice_settings"]
        return 200, self._one(name)

    def _get_customers_id(self, sent: dict[str, Any], name: str) -> Answer:
        customer = self._one(name)
        if customer.get("deleted"):
            return 200, customer
        chosen = customer["invoice_settings"]["default_payment_method"]
        return 200, customer | {"invoice_settings": {"default_payment_method": self.objects.get(chosen or "")}}

    def _delete_customers_id(self, sent: dict[str, Any], name: str) -> Answer:
        """With it go what was stored to pay by and its subscriptions; there is no way back."""
        if self._one(name).get("deleted"):
            raise Refuse(404, "invalid_request_error", "resource_missing", param="id")
        self.objects[name] = {"id": name, "object": "customer", "deleted": True}
        for method in self.all("payment_method"):
            if method["customer"] == name:
                del self.objects[method["id"]]
        for subscription in self.all("subscription"):
            if subscription["customer"] == name:
                subscription["status"] = "canceled"
        self.happens("customer.deleted", self.objects[name])
        return 200, self.objects[name]

    def _get_payment_methods(self, sent: dict[str, Any], _: str) -> Answer:
        mine = [one for one in self.all("payment_method") if one["customer"] == sent["customer"]]
        return 200, _listed(mine[::-1], int(sent.get("limit", 10)))

    def _post_payment_intents(self, sent: dict[str, Any], _: str) -> Answer:
        if not re.fullmatch(r"[1-9]\d*", sent["amount"]) or not re.fullmatch("[a-z]{3}", sent["currency"]):
            raise Refuse(400, "invalid_request_error", "parameter_invalid_integer", param="amount")
        if int(sent["amount"]) < 50:
            raise Refuse(400, "invalid_request_error", "amount_too_small", param="amount")
        method = self.objects.get(sent["payment_method"])
        if method is None or method["customer"] != sent["customer"] or sent.get("off_session") != "true":
            raise Refuse(400, "invalid_request_error", "resource_missing", param="payment_method")
        facts = {name: sent[name] for name in ("currency", "customer", "payment_method")}
        intent = self.make(
            "pi", "payment_intent", amount=int(sent["amount"]), metadata=sent.get("metadata", {}), **facts
        )
        behaves = CARDS[method["behaves"]]
        self._confirm(intent, behaves)
        if behaves != "ok":
            raise Refuse(402, "card_error", behaves, payment_intent=intent)
        return 200, intent

    def _confirm(self, intent: dict[str, Any], behaves: str) -> None:
        if behaves == "ok":
            charge = self.make(
                "ch",
                "charge",
                amount=intent["amount"],
                amount_refunded=0,
                disputed=False,
                payment_intent=intent["id"],
                customer=intent["customer"],
            )
            intent |= {"status": "succeeded", "latest_charge": charge["id"], "last_payment_error": None}
            self.happens("payment_intent.succeeded", intent)
        else:
            error = {"code": behaves, "type": "card_error"}
            intent |= {"status": "requires_payment_method", "latest_charge": None, "last_payment_error": error}
            self.happens("payment_intent.payment_failed", intent)

    def _get_payment_intents(self, sent: dict[str, Any], _: str) -> Answer:
        since = int(sent.get("created", {}).get("gte", 0))
        found = [
            self._whole(one)
            for one in self.all("payment_intent")[::-1]
            if one["created"] >= since and sent.get("customer") in (None, one["customer"])
        ]
        if "starting_after" in sent:
            place = [one["id"] for one in found].index(sent["starting_after"])
            found = found[place + 1 :]
        return 200, _listed(found, int(sent.get("limit", 10)))

    def _get_payment_intents_id(self, sent: dict[str, Any], name: str) -> Answer:
        return 200, self._whole(self._one(name))

    def _whole(self, intent: dict[str, Any]) -> dict[str, Any]:
        return intent | {"latest_charge": self.objects.get(intent.get("latest_charge") or "")}

    def _post_checkout_sessions(self, sent: dict[str, Any], _: str) -> Answer:
        wanted = {"setup": {"currency"}, "payment": {"line_items"}}.get(sent["mode"])
        if wanted is None or not wanted <= set(sent):
            raise Refuse(400, "invalid_request_error", "parameter_missing", param="mode")
        ahead = int(sent.get("expires_at", self.now + 3600)) - self.now
        if not 30 * 60 <= ahead <= 24 * 3600:
            raise Refuse(400, "invalid_request_error", "expires_at", param="expires_at")
        page = self.make("cs", "checkout.session", status="open", setup_intent=None, payment_intent=None, **sent)
        page["url"] = f"https://checkout.stripe.test/{page['id']}"
        return 200, page

    def _get_checkout_sessions_id(self, sent: dict[str, Any], name: str) -> Answer:
        page = self._one(name)
        return 200, page | {"setup_intent": self.objects.get(page["setup_intent"] or "")}

    def _post_billing_portal_sessions(self, sent: dict[str, Any], _: str) -> Answer:
        page = self.make("bps", "billing_portal.session", **sent)
        return 200, page | {"url": f"https://portal.stripe.test/{page['id']}"}

    def _one(self, name: str) -> dict[str, Any]:
        if name not in self.objects:
            raise Refuse(404, "invalid_request_error", "resource_missing", param="id")
        return self.objects[name]


def _nothing_there() -> Any:
    raise Refuse(404, "invalid_request_error", "url_invalid")


def _lost(request: web.Request) -> web.Response:
    """Ends the connection without a word."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _split(path: str) -> tuple[str, str]:
    """`/v1/customers/cus_1` as its pattern and the id."""
    head, _, last = path.rpartition("/")
    return (f"{head}/{{id}}", last) if re.fullmatch(r"[a-z]+_\d+", last) else (path, "")


def _word(path: str) -> str:
    return path.removeprefix("/v1").replace("/", "_").replace("{id}", "id")


def _form(text: str) -> dict[str, Any]:
    """`a[b][0]=c` as nested dictionaries."""
    from urllib.parse import parse_qsl

    whole: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        first, *rest = re.findall(r"[^\[\]]+", name)
        place, last = whole, first
        for step in rest:
            place, last = place.setdefault(last, {}), step
        place[last] = value
    return whole


def _listed(found: list[dict[str, Any]], limit: int) -> dict[str, Any]:
    return {"object": "list", "data": found[:limit], "has_more": len(found) > limit, "url": "/v1/list"}


@asynccontextmanager
async def stripe_server(clock: MovableClock) -> AsyncIterator[StripeServer]:
    server = StripeServer(clock)
    app: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]] = server.answer  # type: ignore[assignment]
    runner = web.ServerRunner(web.Server(app, access_log=None))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
