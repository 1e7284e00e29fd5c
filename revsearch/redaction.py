"""Secrets that addresses hold, which are in no message, table or page."""

import re

# User and password stand before an `@`. The password of a careless writer holds `/` (as AWS's keys do), a path holds
# `@`, and a port is followed by `/`: only after a colon that begins no port is what holds `/` taken for a password.
# Lengths are bounded, because texts come from anywhere, and looking for an end that is not there takes its time.
_USER_INFO = re.compile(r"(?<=://)(?:[^/\s'\"]{1,300}|[^/@:\[\s'\"]{1,100}:(?!\d{1,5}/)[^@\s'\"]{1,300})(?=@)")
_PARAMETER = re.compile(r"(?<=[?&])([^=&?\s'\"]{1,100})=[^&\s'\"]+")
_SECRET = re.compile("signature|credential|token|secret|password|key(?!s$)", re.IGNORECASE)


def redacted(text: str) -> str:
    """Return `text` with `***` in the place of what addresses in it hold of users, passwords and signatures."""
    return _PARAMETER.sub(_without_secret, _USER_INFO.sub("***", text))


def _without_secret(parameter: re.Match[str]) -> str:
    return f"{parameter[1]}=***" if _SECRET.search(parameter[1]) else parameter[0]
