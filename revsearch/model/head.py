"""What stands on the pooled features and gives the embedding: nothing, a projection, or a small network."""

from torch import nn

from revsearch.model.architecture import Top


def head_layer(top: Top | None, channels: int, dim: int) -> nn.Module:
    """Return the layer `[b, channels]` to `[b, dim]`; `identity` changes nothing, and `dim` is `channels`.

    `mlp` has one hidden layer as wide as the features (Chen et al. 2020, SimCLR).
    """
    if top == "linear":
        return nn.Linear(channels, dim, bias=False)
    if top == "mlp":
        return nn.Sequential(nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, dim))
    return nn.Identity()


def keep_geometry(head: nn.Module) -> None:
    """Let a fresh projection leave angles and distances as they are, as far as its length allows.

    It becomes orthogonal, at equal lengths the identity: training begins where the features stand, not at random.
    A small network, whose activation bends what it is given, is left as it is.
    """
    if not isinstance(head, nn.Linear):
        return
    start = nn.init.eye_ if head.in_features == head.out_features else nn.init.orthogonal_
    start(head.weight)
