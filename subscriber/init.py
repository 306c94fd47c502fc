"""Hears what Tenantry says: `Subscriber`, the `Ctx` that a function gets, the `Envelope` around an event.

Events are in `tenantry_subscriber.events.<service>`, what tests need is in `tenantry_subscriber.testkit`.
"""

from tenantry_subscriber.events import Envelope, Event
from tenantry_subscriber.service import Ctx
from tenantry_subscriber.subscriber import Subscriber

__all__ = ["Ctx", "Envelope", "Event", "Subscriber"]
