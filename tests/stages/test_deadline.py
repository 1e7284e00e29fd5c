"""What may not take longer than it may."""

import signal
import subprocess
import sys

from revsearch.stages.deadline import deadline


def test_a_block_that_takes_longer_ends_its_process() -> None:
    script = "from revsearch.stages.deadline import deadline\nwith deadline(0.1):\n    while True: pass\n"
    ended = subprocess.run([sys.executable, "-c", script], timeout=60, check=False)
    assert ended.returncode == -signal.SIGALRM


def test_no_deadline_is_left_behind() -> None:
    with deadline(30.0):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
