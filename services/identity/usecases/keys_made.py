"""What org asks before somebody departs: which keys of the organization they made, for they may still know them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from services.identity.store import api_keys, scim_tokens
from shared.fields import Message, View
from shared.ids import OrgId, UserId
from shared.service import Ctx


class WhoseKeys(Message):
    org_id: OrgId
    user_id: UserId


class KeyMade(View):
    """An API key or a provider's token. `last_used_at` is known to the minute."""

    key_id: str
    kind: Literal["api_key", "scim_token"]
    name: str
    last_used_at: datetime | None


class KeysMade(View):
    keys: list[KeyMade]


async def keys_made_by(ctx: Ctx, who: WhoseKeys) -> KeysMade:
    """The organization's keys and provider's tokens that a person made and that aren't over, by name."""
    async with ctx.read(who.org_id) as read:
        keys = await api_keys.made_by(read, who.org_id, who.user_id, ctx.now)
        tokens = await scim_tokens.made_by(read, who.org_id, who.user_id)
    made = [KeyMade(key_id=key.key_id, kind="api_key", name=key.name, last_used_at=key.last_used_at) for key in keys]
    made += [
        KeyMade(key_id=token.token_id, kind="scim_token", name=token.name, last_used_at=token.last_used_at)
        for token in tokens
    ]
    return KeysMade(keys=sorted(made, key=lambda key: (key.name.casefold(), key.key_id)))
