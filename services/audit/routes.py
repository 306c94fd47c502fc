"""Audit's endpoints."""

from __future__ import annotations

from services.audit import store
from services.audit.usecases.entries import count_audit_entries, list_audit_entries, read_audit_entry, read_capabilities
from services.audit.usecases.exports import export_audit_entries
from shared.service import admin, get, person, post

ROUTES = (
    get("/v1/audit-entries", list_audit_entries, admin("audit.read"), key="audit:view"),
    get("/v1/audit-entries/histogram", count_audit_entries, admin("audit.read"), key="audit:view"),
    get(
        "/v1/audit-entries/{entry_id}",
        read_audit_entry,
        admin("audit.read"),
        known_by=store.entry_exists,
        key="audit:view",
    ),
    post("/v1/audit-exports", export_audit_entries, admin("audit.read"), status=202),
    get("/internal/capabilities", read_capabilities, person("me.read")),
)
