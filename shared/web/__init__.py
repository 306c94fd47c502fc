"""How Tenantry speaks HTTP: a hardened server, a lean client, strict JSON; knows no service."""
