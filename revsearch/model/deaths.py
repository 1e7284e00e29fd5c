"""How a process that trains meets the death of another one it works with: torch's errors, most of them plain ones."""

import re

from torch import distributed

# torch gives these no class of their own: gloo's begin with the place in its source that talks to the other process.
_PLAIN = re.compile(r"\[\S*/gloo/transport/\S+:\d+\] |DataLoader worker \(pid")


def tells_of_death(error: BaseException) -> bool:
    """Say whether an error came of another process: a peer that does not answer, or one that read ahead and is gone.

    Trying again may succeed then. Other errors are this process's own.
    """
    if isinstance(error, distributed.DistError):
        return True
    return isinstance(error, RuntimeError) and _PLAIN.match(str(error)) is not None
