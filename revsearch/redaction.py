"""Secrets that addresses hold, which are in no message, table or page."""

import re

# User and password stand before an `@`. The password of a careless writer holds `/` (as AWS's keys do), a path holds
# `@`, and a port is followed by `/`: only after a colon that begins no port is what holds `/` taken for a password.
_USER_INFO = re.compile(r"(?<=://)(?:[^/@\s'\"]+|[^/@:\s'\"]+:(?!\d{1,5}/)[^@\s'\"]+)(?=@)")
_SECRET_PARAMETER = re.compile(
    r"(?<=[?&])([^=&\s]*(?:signature|credential|token|secret|password|key)[^=&\s]*=)[^&\s'\"]+", re.IGNORECASE
)


def redacted(text: str) -> str:
    """Return `text` with `***` in the place of what addresses in it hold of users, passwords and signatures."""
    return _SECRET_PARAMETER.sub(r"\1***", _USER_INFO.sub("***", text))
