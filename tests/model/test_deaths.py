"""Processes that die: what torch raises in the one that worked with them."""

import os
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import distributed, multiprocessing

from revsearch.model.augment import unchanged
from revsearch.model.deaths import tells_of_death
from revsearch.model.loader import load_batches
from revsearch.model.peers import Peers
from revsearch.model.sampler import batches_in_order

DEADLINE_S = 120


def die_beside_a_peer(rank: int, address: str, told: Any) -> None:
    """One dies; the other tells what it met: as it waits for the one that dies, and where that is gone."""
    deadline = timedelta(seconds=DEADLINE_S)
    distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=2, timeout=deadline)
    peers = Peers(rank, 2)
    peers.from_leader("go")
    if rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    for exchange in (lambda: peers.gather(torch.ones(2)), lambda: peers.replicate(torch.nn.Linear(2, 2), "cpu")):
        try:
            exchange()
        except RuntimeError as error:
            told.send((type(error), str(error), tells_of_death(error)))


@pytest.mark.slow
def test_of_a_peer() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    spawning = multiprocessing.get_context("spawn")  # a process that has forked beside gloo's threads may hang
    heard, told = spawning.Pipe(duplex=False)
    both = [spawning.Process(target=die_beside_a_peer, args=(rank, address, told)) for rank in range(2)]
    for process in both:
        process.start()
    try:
        for _ in range(2):
            assert heard.poll(DEADLINE_S), "nothing was met within the deadline"
            kind, message, told_of_death = heard.recv()
            assert told_of_death, message
            assert kind is RuntimeError, "torch has a class for it now: ask for that, not for its words"
    finally:
        for process in both:
            process.kill()
            process.join()


class Deadly:
    """Pictures whose reader dies."""

    def of(self, rows: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


def raised_by_a_dead_reader() -> BaseException:
    plans = batches_in_order(np.arange(4), np.zeros(4, np.int64), 2)
    with pytest.raises(RuntimeError) as raised:
        next(load_batches(Deadly(), plans, unchanged, workers=1))
    return raised.value


@pytest.mark.slow
def test_of_a_process_that_reads_ahead() -> None:
    assert tells_of_death(raised_by_a_dead_reader())
    elsewhere = list[BaseException]()
    # Ray Train runs its workers in a thread, where torch does without its handler of signals and has other words.
    thread = threading.Thread(target=lambda: elsewhere.append(raised_by_a_dead_reader()))
    thread.start()
    thread.join()
    assert [tells_of_death(error) for error in elsewhere] == [True]


@pytest.mark.parametrize("name", ["DistError", "DistBackendError", "DistNetworkError", "DistStoreError"])
def test_of_what_torch_has_classes_for(name: str) -> None:
    assert tells_of_death(getattr(distributed, name)("NCCL error: remote process exited"))


def test_own_errors_tell_of_none() -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied") as raised:
        torch.ones(2, 3) @ torch.ones(2, 3)
    assert not tells_of_death(raised.value)
    assert not tells_of_death(ValueError("DataLoader worker (pid 7) is killed by signal: Killed."))
    enforced = "[enforce fail at /src/gloo/transport/tcp/pair.cc:446] op.preamble.length <= op.nbytes. 8 vs 4"
    assert not tells_of_death(RuntimeError(enforced)), "peers that disagree are a bug"
