"""What org says of who was refused what, and of who takes data along."""

from __future__ import annotations

from typing import ClassVar

from shared.events.exports import Export
from shared.events.refusals import Refusal


class ActionRefused(Refusal):
    """A member or a key wanted to change something that it may not; the first time within an hour, or all others of it together (`times`)."""

    TYPE: ClassVar[str] = "org.action.refused.v1"


class ExportBegun(Export):
    """A file of the users, or all that the organization has in every service, was ordered."""

    TYPE: ClassVar[str] = "org.export.begun.v1"


OVERSIGHT = (ActionRefused, ExportBegun)
