"""What somebody wanted to change and their role doesn't allow: said by each service of its own actions."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from shared.events import OrgEvent
from shared.ids import UserId


class ActionRefused(OrgEvent):
    """A member tried to change something that their role doesn't allow. The first time in an hour is said at once, the others together when the hour is over (`times`)."""

    TYPE: ClassVar[str]
    action: str
    role: str
    user_id: UserId
    times: int
    since: datetime


class IdentityActionRefused(ActionRefused):
    __doc__ = ActionRefused.__doc__
    TYPE: ClassVar[str] = "identity.action.refused.v1"


class OrgActionRefused(ActionRefused):
    __doc__ = ActionRefused.__doc__
    TYPE: ClassVar[str] = "org.action.refused.v1"


class SharingActionRefused(ActionRefused):
    __doc__ = ActionRefused.__doc__
    TYPE: ClassVar[str] = "sharing.action.refused.v1"


class BillingActionRefused(ActionRefused):
    __doc__ = ActionRefused.__doc__
    TYPE: ClassVar[str] = "billing.action.refused.v1"


class CourierActionRefused(ActionRefused):
    __doc__ = ActionRefused.__doc__
    TYPE: ClassVar[str] = "courier.action.refused.v1"


PUBLISHED = (
    IdentityActionRefused,
    OrgActionRefused,
    SharingActionRefused,
    BillingActionRefused,
    CourierActionRefused,
)
OF_SERVICE: dict[str, type[ActionRefused]] = {event.TYPE.partition(".")[0]: event for event in PUBLISHED}
