"""What every service says of its own when somebody tries what they may not."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from shared.events import OrgEvent
from shared.ids import ApiKeyId, ScimTokenId, UserId

Because = Literal["role", "scope", "expired", "suspended", "replaced", "revoked"]


class Refusal(OrgEvent):
    """A member wanted to change something that their role doesn't allow, or somebody used a key of the organization for what its scopes don't allow, or when it was over.

    A member has `role` and `user_id`, a key `key_id`. `times`: so often since `since`; the first time is told at once, the others within an hour
    together. Of a key that is over, `times` is how often it was looked at: what has been refused a moment ago is refused without a look.
    """

    action: str
    because: Because
    role: str | None = None
    user_id: UserId | None = None
    key_id: ApiKeyId | ScimTokenId | None = None
    times: int
    since: datetime
