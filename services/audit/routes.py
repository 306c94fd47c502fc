"""Audit's endpoints."""

from __future__ import annotations

from services.audit import store
from services.audit.usecases import list_audit_entries, read_audit_entry, read_capabilities
from shared.service import admin, get, person

ROUTES = (
    get("/v1/audit-entries", list_audit_entries, admin("audit.read")),
    get("/v1/audit-entries/{entry_id}", read_audit_entry, admin("audit.read"), known_by=store.entry_exists),
    get("/internal/capabilities", read_capabilities, person("me.read")),
)
