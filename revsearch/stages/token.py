"""The token of a cluster: found and sent by Ray's own code, and told about here.

Ray takes it from RAY_AUTH_TOKEN, the file of RAY_AUTH_TOKEN_PATH, or ~/.ray/auth_token, but sends it only where
RAY_AUTH_MODE says `token`; so that is set as soon as there is a token to send.
"""

import logging

from ray._private.authentication.authentication_token_setup import maybe_enable_token_auth_if_token_available
from ray._raylet import AuthenticationTokenLoader  # type: ignore[attr-defined]  # missing in its declarations
from ray.exceptions import AuthenticationError

from revsearch.errors import InvalidSpec

_EXPECTED = "expected the cluster's token in RAY_AUTH_TOKEN_PATH (a file with it), RAY_AUTH_TOKEN or ~/.ray/auth_token"


def send_token() -> bool:
    """Let this process send the token it has, if any, with all that it asks of a cluster; say whether there is one.

    Raises:
        InvalidSpec: where the environment asks for a token that is not there or cannot be read.
    """
    # Ray warns at each start that tokens are used, or that they are not.
    logging.getLogger("ray._private.authentication").setLevel(logging.ERROR)
    try:
        sends = maybe_enable_token_auth_if_token_available(warn_if_disabled=False)
        # Only where it is sent: a process that has looked at a token wants it of the cluster, too.
        missing = sends and not AuthenticationTokenLoader.instance().has_token(ignore_auth_mode=True)
    except AuthenticationError as error:
        raise InvalidSpec(f"{str(error).partition('. ')[0]}; {_EXPECTED}") from error
    if missing:
        raise InvalidSpec(f"RAY_AUTH_MODE is `token`, and no token is there; {_EXPECTED}")
    return sends


def refused(address: str, *, sent: bool) -> InvalidSpec:
    """Return what to say where a cluster did not let us in."""
    found = (
        "the token that was sent is not that of this cluster"
        if sent
        else "the cluster wants a token, and none was sent"
    )
    return InvalidSpec(f"--address {address}: {found}; {_EXPECTED}, and RAY_AUTH_MODE unset or `token`")
