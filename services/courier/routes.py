"""Courier's endpoints: none is public, because nobody asks for mail by HTTP."""

from __future__ import annotations

from services.courier.usecases.capabilities import read_capabilities
from shared.service import get, person

ROUTES = (get("/internal/capabilities", read_capabilities, person("me.read")),)
