"""What identity's events about organizations carry: their API keys."""

from __future__ import annotations

from datetime import datetime

from shared.api_keys import Access, Area
from shared.events import Shape
from shared.ids import ApiKeyId


class ApiKey(Shape):
    """An API key's state; never its token. `expires_at` null: until it is revoked."""

    key_id: ApiKeyId
    name: str
    access: Access
    areas: list[Area]
    api_version: str
    expires_at: datetime | None = None
