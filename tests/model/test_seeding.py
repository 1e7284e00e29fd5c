import pytest
import torch

from revsearch.model.seeding import seeded


def drawn(seed: int) -> torch.Tensor:
    with seeded(seed):
        return torch.rand(8)


def test_the_same_seed_draws_the_same() -> None:
    torch.rand(3)
    first = drawn(7)
    torch.rand(5)
    assert torch.equal(first, drawn(7))
    assert torch.equal(first, torch.rand(8, generator=torch.Generator().manual_seed(7)))
    assert not torch.equal(first, drawn(8))


def test_random_numbers_go_on_as_they_were() -> None:
    before = torch.get_rng_state()
    drawn(7)
    assert torch.equal(torch.get_rng_state(), before)


def test_they_go_on_where_something_fails() -> None:
    before = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError), seeded(7):
        torch.rand(1).div_(1 / 0)
    assert torch.equal(torch.get_rng_state(), before)


def test_one_inside_another_changes_nothing_of_it() -> None:
    with seeded(7):
        first = torch.rand(4)
        drawn(8)
        second = torch.rand(4)
    assert torch.equal(torch.cat([first, second]), drawn(7))
