"""What an organization allows of all its links: whether there may be any, with a password only, and for how long a token opens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.errors import FieldError, Problem


@dataclass(frozen=True)
class LinkPolicy:
    """Without one, everything is allowed. `longest_days` counts from when a link got the token that it has."""

    links_allowed: bool = True
    password_required: bool = False
    longest_days: int | None = None

    def allows(self, has_password: bool) -> bool:
        return self.links_allowed and (has_password or not self.password_required)

    def ends_at(self, expires_at: datetime | None, token_at: datetime) -> datetime | None:
        """When a link stops to open: its own end or the policy's, whichever is first."""
        if self.longest_days is None:
            return expires_at
        latest = token_at + timedelta(days=self.longest_days)
        return latest if expires_at is None else min(expires_at, latest)


def check_allowed(policy: LinkPolicy) -> None:
    """Refuses to make links where none may open."""
    if not policy.links_allowed:
        raise Problem(
            "conflict", "This organization allows no sharing links. An Admin can.", meta={"because": "link_policy"}
        )


def check_set(
    policy: LinkPolicy, *, has_password: bool | None, expires_at: datetime | None, token_at: datetime
) -> None:
    """Refuses what is being set against the policy; `has_password` None where no password is being set or taken away."""
    faults: list[FieldError] = []
    if policy.password_required and has_password is False:
        faults.append(FieldError("/password", "required_by_policy", "is required by your organization's link policy"))
    if expires_at is not None and policy.ends_at(expires_at, token_at) != expires_at:
        faults.append(
            FieldError(
                "/expires_at",
                "beyond_policy",
                f"must lie within {policy.longest_days} days of the link's token, by your organization's link policy",
                {"days": policy.longest_days},
            )
        )
    if faults:
        raise Problem("invalid", errors=faults)
