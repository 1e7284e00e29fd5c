"""How long a request is tried again, in place of botocore's own rule.

That one gives up after a hundred tries in a row of a whole process, which a server that restarts costs a few threads
in seconds; and its adaptive mode lets a process ask about once a second where a third of the answers is 503.
"""

import random
import time
from dataclasses import dataclass
from typing import Any

from revsearch.storage.s3.failures import is_silence, may_pass

_FIRST_WAIT_S = 0.1
_LONGEST_WAIT = 1 / 12  # of all the time there is
_BEGAN = "revsearch_began"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait: for a connection, for the next bytes of an answer, and in all, with what is tried again."""

    connect_s: float
    read_s: float
    in_all_s: float

    def rule(self, client: Any) -> None:
        """Let a client try again what may pass, until the time is over."""
        client.meta.events.register("before-call.s3", _begin)
        client.meta.events.register("needs-retry.s3", self._wait_s)

    def _wait_s(
        self,
        response: Any,
        caught_exception: Exception | None,
        attempts: int,
        request_dict: dict[str, Any],
        **_: object,
    ) -> float | None:
        """Return how long to wait before the next try; None where there is none."""
        if not _failed_for_now(response, caught_exception):
            return None
        longest = min(_FIRST_WAIT_S * (1 << min(attempts - 1, 10)), _LONGEST_WAIT * self.in_all_s)
        wait_s = random.uniform(0.5, 1) * longest  # noqa: S311  # spreads those that failed together
        left_s = self.in_all_s - (time.monotonic() - request_dict["context"][_BEGAN])
        return wait_s if wait_s < left_s else None


def _begin(params: dict[str, Any], **_: object) -> None:
    params["context"][_BEGAN] = time.monotonic()


def _failed_for_now(response: Any, caught_exception: Exception | None) -> bool:
    if response is None:
        return is_silence(caught_exception)
    http, parsed = response
    return may_pass(http.status_code, str(parsed.get("Error", {}).get("Code", "")))
