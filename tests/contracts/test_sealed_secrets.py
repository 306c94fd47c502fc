"""Whatever a service keeps sealed is declared, so that it is sealed anew under a new master key and the doctor can look at it."""

from __future__ import annotations

import re

from services.launcher import PRODUCT, STORING

SEALED = re.compile(r"^\s*(?:add column )?(\w*(?:sealed|secret)\w*) bytea", re.MULTILINE)


def test_every_column_of_sealed_secrets_is_declared() -> None:
    for name in STORING:
        service = PRODUCT.service(name)
        assert service.migrations is not None
        written = "\n".join(file.read_text() for file in sorted(service.migrations.glob("*.sql")))
        declared = [one.column for one in service.sealed]
        assert sorted(SEALED.findall(written)) == sorted(declared), name
