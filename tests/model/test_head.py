import pytest
import torch
from torch import nn
from torch.nn.functional import normalize

from revsearch.model.head import head_layer, keep_geometry


@pytest.mark.parametrize(("top", "dim"), [(None, 6), ("identity", 6), ("linear", 4), ("mlp", 4)])
def test_heads_give_the_dim(top, dim: int) -> None:
    assert head_layer(top, 6, dim)(torch.zeros(3, 6)).shape == (3, dim)


@pytest.mark.parametrize("top", [None, "identity"])
def test_no_head_changes_nothing(top) -> None:
    head = head_layer(top, 6, 6)
    assert not head.state_dict()
    x = torch.randn(3, 6)
    assert torch.equal(head(x), x)


@pytest.mark.parametrize("dim", [6, 9])
def test_a_projection_that_is_long_enough_keeps_every_angle_and_length(dim: int) -> None:
    torch.manual_seed(0)
    head, x = head_layer("linear", 6, dim), torch.randn(5, 6)
    keep_geometry(head)
    torch.testing.assert_close(head(x) @ head(x).T, x @ x.T)
    assert torch.equal(head(x), x) == (dim == 6)


def test_a_shorter_projection_keeps_angles_nearly() -> None:
    torch.manual_seed(0)
    head, x = head_layer("linear", 256, 128), torch.randn(20, 256)
    keep_geometry(head)
    before, after = (normalize(rows) @ normalize(rows).T for rows in (x, head(x)))
    assert (before - after).abs().max() < 0.35  # three deviations of a random projection to 128
    torch.testing.assert_close(head.weight @ head.weight.T, torch.eye(128), rtol=0, atol=1e-5)


def test_a_small_network_is_left_as_it_is() -> None:
    head = head_layer("mlp", 6, 4)
    before = {name: value.clone() for name, value in head.state_dict().items()}
    keep_geometry(head)
    assert all(torch.equal(before[name], value) for name, value in head.state_dict().items())
    assert [type(layer) for layer in head] == [nn.Linear, nn.ReLU, nn.Linear]
