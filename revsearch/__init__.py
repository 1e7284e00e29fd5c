"""Reverse image search as distributed batch jobs on Ray.

From Python: `from revsearch import search` ranks an index's gallery for image files in this process.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from revsearch.stages.search import search

__all__ = ["search"]


def __getattr__(name: str) -> Any:
    """Load `search` when it is first asked for: the vocabulary alone needs none of what it stands on."""
    if name == "search":
        from revsearch.stages.search import search

        return search
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
