"""Places in a submitted job: its folder is thrown away when it ends, and other machines do not have it."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jobs.flag import Flag
from revsearch.manifest import ROLES

# Ray sets it for what a submitted job runs, and for nothing else.
MARK_OF_A_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"

_ROLE = re.compile(rf"({'|'.join(ROLES)})=")


def in_submitted_job(environment: Mapping[str, str]) -> bool:
    """Say whether this process was started by a cluster's job server."""
    return bool(environment.get(MARK_OF_A_JOB))


def relative_places(flags: Sequence[Flag], values: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with each place that is relative, given or by default."""
    for flag in flags:
        found = values.get(flag.name, flag.declared.default) if flag.place else None
        for place in found if isinstance(found, tuple) else (found,):
            if isinstance(place, str) and _is_relative(place, may_be_id=flag.place == "path or id"):
                yield (
                    f"{flag.spelling}: expected an absolute path that all machines of the cluster see, or "
                    f"s3://bucket/prefix, found {place!r}: the folder that a submitted job runs in is thrown away"
                )


def _is_relative(place: str, *, may_be_id: bool) -> bool:
    path = _ROLE.sub("", place, count=1)
    if "://" in path or path.startswith("/"):
        return False
    return not may_be_id or path.startswith((".", "~")) or os.path.exists(path)  # noqa: PTH110  # Path raises where a name is too long
