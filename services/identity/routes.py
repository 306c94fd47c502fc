"""Identity's endpoints. `unrecorded` marks those whose request or answer holds a secret."""

from __future__ import annotations

from services.identity.store import projections
from services.identity.usecases import (
    closing,
    email_changes,
    introspection,
    invited,
    password_resets,
    passwords,
    profile,
    session_revocations,
    sessions,
    signups,
    tokens,
)
from shared.service import admin, anyone, delete, get, patch, person, post, put, service

ROUTES = [
    post("/v1/signups", signups.sign_up, anyone("signups.begin"), status=202, unrecorded=True),
    post("/v1/signups/{signup_id}/confirmation", signups.confirm_signup, anyone("signups.confirm"), status=201),
    post("/v1/invitation-tokens/{token}/account", invited.open_invited_account, anyone("signups.invited"), status=201, unrecorded=True),
    post("/v1/auth/discovery", sessions.discover, anyone("auth.discover")),
    post("/v1/auth/sessions", sessions.sign_in, anyone("auth.sign_in"), status=201, unrecorded=True),
    post("/v1/auth/tokens", tokens.refresh, anyone("auth.refresh"), unrecorded=True),
    post("/v1/auth/password-resets", password_resets.ask_for_reset, anyone("password.forgotten"), status=202, unrecorded=True),
    get("/v1/auth/password-resets/{token}", password_resets.read_reset, anyone("password.reset")),
    put("/v1/auth/password-resets/{token}", password_resets.reset_password, anyone("password.reset"), status=204, unrecorded=True),
    post("/v1/auth/email-changes/{token}/confirmation", email_changes.confirm_change, anyone("email.confirm"), unrecorded=True),
    post("/v1/auth/email-changes/{token}/undoing", email_changes.undo_change, anyone("email.undo"), unrecorded=True),
    post("/v1/auth/reauthentications", sessions.reauthenticate, person("reauthentication.answer"), unrecorded=True),
    get("/v1/me/sessions", sessions.list_sessions, person("sessions.read")),
    delete("/v1/me/sessions", sessions.end_other_sessions, person("sessions.end")),
    delete("/v1/me/sessions/{session_id}", sessions.end_session, person("sessions.end")),
    patch("/v1/me/profile", profile.change_profile, person("profile.change")),
    put("/v1/me/password", passwords.change_password, person("password.change"), status=204, unrecorded=True),
    get("/v1/me/email-change", email_changes.read_change, person("email.change")),
    put("/v1/me/email-change", email_changes.change_email, person("email.change"), status=202, unrecorded=True),
    delete("/v1/me/email-change", email_changes.drop_change, person("email.change")),
    get("/v1/me/closure-preview", closing.preview_closure, person("account.close")),
    post("/v1/me/closure", closing.close_account, person("account.close"), status=204, unrecorded=True),
    post("/v1/me/active-organization", sessions.choose_organization, person("active_organization.choose"), unrecorded=True),
    post(
        "/v1/users/{user_id}/session-revocations",
        session_revocations.revoke_sessions,
        admin("users.end_sessions"),
        status=204,
        known_by=projections.is_member,
    ),
    get("/.well-known/jwks.json", tokens.key_set, anyone("auth.keys")),
    get("/internal/sessions/{session_id}", introspection.session_standing, service("sessions.introspect")),
    post("/internal/cookie-sessions", introspection.cookie_standing, service("sessions.introspect"), unrecorded=True),
    get("/internal/capabilities", profile.capabilities, person("me.read")),
]  # fmt: skip
