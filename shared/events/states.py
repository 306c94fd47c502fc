"""Which events tell the whole state of a thing, so that the newest of a type says all that earlier ones did.

A snapshot leaves those earlier ones out. An event that isn't listed is an occurrence: all of them are kept.
"""

from __future__ import annotations

# A regular expression of types, and where in `data` the ids stand that name the thing; none: there is one per subject.
STATES: dict[str, tuple[str, ...]] = {
    r"^org\.organization\.changed\.": (),
    r"^org\.security_policy\.changed\.": (),
    r"^org\.member\.": ("member.user_id",),
    r"^org\.invitation\.": ("invitation.invitation_id",),
    r"^org\.group\.(created|changed|deleted|restored)\.": ("group.group_id",),
    r"^org\.group\.member_(added|removed)\.": ("group.group_id", "user_id"),
    r"^org\.domain\.(claimed|verified|at_risk|lapsed|removed)\.": ("domain.domain_id",),
    r"^sharing\.dashboard\.": ("dashboard.dashboard_id",),
    r"^sharing\.link\.(created|changed|token_rotated|removed)\.": ("link.link_id",),
    r"^billing\.(subscription|trial)\.": ("subscription.subscription_id",),
    r"^billing\.(entitlements|details)\.changed\.": (),
    r"^courier\.webhook\.(created|changed|deleted|disabled|secret_rotated)\.": ("webhook.webhook_id",),
    r"^identity\.user\.(email|name)_changed\.": (),
    r"^audit\.head\.signed\.": (),
}
