"""The gateway's own endpoints; all others belong to the services behind it."""

from __future__ import annotations

from services.gateway.usecases import changes, documents, events, mail, me, operations
from shared.service import ANY_KEY, admin, anyone, get, person

HTML = "text/html"

ROUTES = (
    get("/v1/me", me.read_me, person("me.read"), emergency=True),
    get("/v1/me/capabilities", me.read_capabilities, person("me.read"), emergency=True),
    get("/v1/changes/{event_id}", changes.read_change, person("changes.read"), key=ANY_KEY),
    get("/v1/events", events.read_events, admin("events.read"), key="events:view"),
    get("/v1/event-stream", events.follow_events, admin("events.read"), media="text/event-stream", key="events:view"),
    get("/v1/operations/{operation_id}", operations.read_operation, person("operations.read")),
    get(
        "/v1/operations/{operation_id}/result",
        operations.read_operation_result,
        person("operations.read"),
        media="application/octet-stream",
    ),
    get("/v1/embed-samples", documents.list_embed_samples, anyone("documents.read")),
    get("/", documents.read_home, anyone("documents.read"), media=HTML),
    get("/docs", documents.read_docs, anyone("documents.read"), media=HTML),
    get("/docs/events", documents.read_event_docs, anyone("documents.read"), media=HTML),
    get("/openapi.json", documents.read_openapi, anyone("documents.read")),
    get("/asyncapi.json", documents.read_asyncapi, anyone("documents.read")),
    get("/schemas/events/{type}", documents.read_event_schema, anyone("documents.read")),
    get("/problems/{code}", documents.read_problem, anyone("documents.read")),
    get("/.well-known/authzen-configuration", documents.read_decision_point, anyone("documents.read")),
    get("/.well-known/security.txt", documents.read_security_contact, anyone("documents.read"), media="text/plain"),
    get("/dev/mail", mail.list_mail, anyone("dev.mail.read")),
    get("/dev/mail/previews", mail.list_previews, anyone("dev.mail.read")),
    get("/dev/mail/previews/{template}/{language}", mail.read_preview, anyone("dev.mail.read")),
    get("/dev/mail/{id}", mail.read_mail, anyone("dev.mail.read")),
)

FROM_CALLER_ALONE = frozenset({me.read_me})
