"""Profiles: where and how fast, never what. Any field can be set by its own flag."""

from revsearch.specs import Resources

PROFILES: dict[str, Resources] = {
    # One embedding actor a CPU, or the one GPU. Batches stay small: on CPU a larger one only takes memory.
    "laptop": Resources(),
    # GPU workers: batches that fill a GPU, and time for pictures that come from a distant store.
    "cluster": Resources(batch_size=128, image_timeout_s=120.0),
}


def profile(name: str) -> Resources:
    """Return the resources of one of the profiles that `--profile` takes."""
    return PROFILES[name]
