"""Which values of the environment are secrets, that no log and no record may hold.

Knows names only: what tokens look like is known to `adapters/reaper`, which also takes both out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from urllib.parse import quote

SECRET_NAME = re.compile(
    r"(?:TOKEN|SECRETS?|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|APIKEY|CONNECTION_STRING"
    r"|_(?:PASS|PWD|PAT|KEY|AUTH|DSN))\d*\Z",
    re.IGNORECASE,
)
"""What the name of a variable ends with that holds a secret. TOKEN_FILE or KEY_ID ends otherwise:
what they name is none."""
NO_SECRETS = frozenset({"OYA_EXECUTION_KEY"})
"""Names that look like it and are known: that of an attempt, where we run in a worker ourselves."""


def secret_values(environ: Mapping[str, str], named: Collection[str]) -> tuple[str, ...]:
    """The values of the variables that are named, and of those whose names look like secrets; each
    as it stands, as it stands in JSON, and as it stands in a URL."""
    values = {
        value
        for name, value in environ.items()
        if value and (name in named or (looks_secret(name) and name not in NO_SECRETS))
    }
    forms = {
        form
        for value in values
        for form in (value, json.dumps(value)[1:-1], quote(value, safe="", errors="replace"))
    }
    return tuple(sorted(forms))


def looks_secret(name: str) -> bool:
    """Whether a variable of this name usually holds a secret."""
    return SECRET_NAME.search(name) is not None
