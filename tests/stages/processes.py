"""Watching processes that tests start, and those that these start: for tests that kill some of them."""

import os
import select
import time
from pathlib import Path


def descendants(pid: int) -> list[int]:
    """The processes that a process started, and those that these did."""
    try:
        children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return children + [each for child in children for each in descendants(child)]


def wait_for_end(watched: list[int], deadline_s: float) -> None:
    """Wait until every process (by its pidfd) has ended."""
    poll, left = select.poll(), set(watched)
    for descriptor in watched:
        poll.register(descriptor, select.POLLIN)
    ends = time.monotonic() + deadline_s
    while left:
        ready = poll.poll(max(0.0, ends - time.monotonic()) * 1000)
        assert ready, f"{len(left)} of {len(watched)} processes are still there after {deadline_s} s"
        for descriptor, _ in ready:
            poll.unregister(descriptor)
            left.discard(descriptor)
            os.close(descriptor)


def open_pids(pids: list[int]) -> list[int]:
    opened = []
    for pid in pids:
        try:
            opened.append(os.pidfd_open(pid))
        except ProcessLookupError:
            continue
    return opened


def named(pids: list[int], name: str) -> list[int]:
    """Those of some processes whose command line begins with a name, as Ray gives its workers one."""
    return [pid for pid in pids if _command(pid).startswith(name)]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""
