"""Lists: a page of rows, and opaque signed cursors that are bound to the list and the filter they were made for."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field

from shared.errors import invalid
from shared.fields import Message

T = TypeVar("T")

TOTAL_CAP = 10_000
FOUND_CAP = 1_000  # of a search, where each one more has to be looked for

Limit = Annotated[int, Field(ge=1, le=200, description="How many rows at most.")]


class ListQuery(Message):
    """What every list takes."""

    limit: Limit = 50
    cursor: Annotated[str | None, Field(max_length=2000, description="From `page.next_cursor` of the page before.")] = (
        None
    )


class PageInfo(BaseModel):
    next_cursor: str | None = None
    prev_cursor: str | None = None
    total: int | None = None
    total_capped: bool = False


class Page(BaseModel, Generic[T]):
    """`data` in the order asked for; `page.next_cursor` is null on the last page."""

    model_config = ConfigDict(frozen=True)

    data: list[T]
    page: PageInfo = PageInfo()


class Cursors:
    """Signs cursors with a key of the service, so that a client can't write its own."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def write(self, position: Sequence[Any], query: ListQuery) -> str:
        payload = orjson.dumps([list(position), _filter_of(query)])
        return base64.urlsafe_b64encode(self._mac(payload) + payload).decode().rstrip("=")

    def read(self, query: ListQuery) -> list[Any] | None:
        """The position that the query's cursor stands for, None for the first page; 422 for a forged one or one of another filter."""
        if query.cursor is None:
            return None
        try:
            raw = base64.urlsafe_b64decode(query.cursor + "=" * (-len(query.cursor) % 4))
        except ValueError:
            raise invalid("/cursor", "invalid_cursor", "This isn't a cursor.") from None
        mac, payload = raw[:16], raw[16:]
        if not hmac.compare_digest(mac, self._mac(payload)):
            raise invalid("/cursor", "invalid_cursor", "This isn't a cursor.")
        position, made_for = orjson.loads(payload)
        if made_for != _filter_of(query):
            raise invalid(
                "/cursor", "cursor_of_another_list", "This cursor belongs to a list with another filter or order."
            )
        return list(position)

    def page(
        self,
        rows: Sequence[T],
        query: ListQuery,
        position: Callable[[T], Sequence[Any]],
        total: int | None = None,
        cap: int = TOTAL_CAP,
    ) -> Page[T]:
        """A page from up to `limit + 1` rows; `position(row)` is what the next page starts after. A total above `cap` is told as the cap."""
        shown = rows[: query.limit]
        more = len(rows) > query.limit
        capped = total is not None and total > cap
        info = PageInfo(
            next_cursor=self.write(position(shown[-1]), query) if more else None,
            total=cap if capped else total,
            total_capped=capped,
        )
        return Page(data=list(shown), page=info)

    def _mac(self, payload: bytes) -> bytes:
        return hmac.digest(self._key, payload, hashlib.sha256)[:16]


def _filter_of(query: ListQuery) -> str:
    """Which list, in which order, by which filter. A list is known by its query's class: each has one of its own."""
    kind = type(query)
    made_for = f"{kind.__module__}.{kind.__qualname__} {query.model_dump_json(exclude={'limit', 'cursor'})}"
    return hashlib.sha256(made_for.encode()).hexdigest()[:16]
