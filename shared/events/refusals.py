"""What every service says of its own when somebody tries what their role doesn't allow."""

from __future__ import annotations

from datetime import datetime

from shared.events import OrgEvent
from shared.ids import UserId


class Refusal(OrgEvent):
    """A member wanted to change something that their role doesn't allow. `times`: so often since `since`; the first time is told at once, the others within an hour together."""

    action: str
    role: str
    user_id: UserId
    times: int
    since: datetime
