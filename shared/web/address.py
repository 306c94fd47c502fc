"""Where a server listens and a client connects: `tcp://host:port` or `unix:///path/to.sock`."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Address:
    """Either `host` and `port`, or `path`."""

    host: str = ""
    port: int = 0
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> Address:
        """Reads `tcp://127.0.0.1:8080`, `tcp://[::1]:8080` (port 0: any free one) or `unix:///run/x.sock`."""
        parts = urlsplit(text)
        if parts.scheme == "unix" and not parts.netloc and parts.path.startswith("/"):
            return cls(path=parts.path)
        if parts.scheme == "tcp" and parts.hostname and parts.port is not None and parts.path in ("", "/"):
            return cls(host=parts.hostname, port=parts.port)
        raise ValueError(f"{text!r} is no address: write tcp://127.0.0.1:8080 or unix:///run/tenantry/org.sock")

    @property
    def authority(self) -> str:
        """What goes into the `Host` header."""
        if self.path:
            return "localhost"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"unix://{self.path}" if self.path else f"tcp://{self.authority}"
