"""Two processes of torch's own, connected over loopback: what they learn together is what one learns alone."""

import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import distributed, multiprocessing

from revsearch.model.loader import Batch
from revsearch.model.peers import Peers

WORLD = 2


def test_alone_nothing_is_exchanged() -> None:
    own = torch.ones(3, 2, requires_grad=True)
    assert Peers().gather(own) is own
    assert Peers().means([0.25, 1.0]) == [0.25, 1.0]
    assert Peers().gather_arrays(np.zeros(2, np.float32))[0].shape == (2,)
    module = torch.nn.Linear(2, 2)
    assert Peers().replicate(module, "cpu") is module


def learn(rank: int, address: str, folder: str) -> None:
    """Learn three steps on this worker's half of every batch, and leave the weights."""
    from tests.model.training import SMALL, batch, learner

    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=WORLD)
    peers = Peers(rank, WORLD)
    assert [len(each) for each in peers.gather_arrays(np.zeros(rank + 1, np.float32))] == [1, 2]
    assert peers.means([float(rank), 3.0]) == [0.5, 3.0]
    trained = learner(SMALL["triplet-autoencoder"], peers=peers)
    for step in range(3):
        whole = batch(step)
        half = slice(rank * 4, rank * 4 + 4)
        trained.learn(Batch(whole.views[half], whole.classes[half], whole.rows[half]))
    torch.save(trained.trainee.state_dict(), Path(folder) / f"{rank}.pth")
    distributed.destroy_process_group()


@pytest.mark.slow
def test_two_workers_learn_what_one_does(tmp_path: Path) -> None:
    """Equal to 1e-4: sums are added up in another order."""
    from tests.model.training import SMALL, batch, learner

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    multiprocessing.spawn(learn, (address, str(tmp_path)), nprocs=WORLD)
    alone = learner(SMALL["triplet-autoencoder"])
    for step in range(3):
        alone.learn(batch(step))
    for rank in range(WORLD):
        found = torch.load(tmp_path / f"{rank}.pth", weights_only=True)
        for name, value in alone.trainee.state_dict().items():
            torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-4)
