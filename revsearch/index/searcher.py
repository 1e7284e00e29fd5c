"""What rank code knows of an index: something with rows that gives the top-k of each query."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from revsearch.embeddings import Vectors

Rows = NDArray[np.int64]  # [q, k], rows of the indexed vectors, best first
Scores = NDArray[np.float32]  # [q, k], falling; cosine similarity, or minus the Euclidean distance
Hits = tuple[Rows, Scores]


class Searcher(Protocol):
    """Anything that finds the rows nearest to a query."""

    def __len__(self) -> int:
        """Rows indexed."""
        ...

    def search(self, queries: Vectors, k: int) -> Hits:
        """Return rows and scores `[q, min(k, n)]` of the nearest to each query `[q, dim]`, best first.

        Queries are given as the encoder made them: for cosine they are normalised here.

        Raises:
            SpaceMismatch: where the queries have another dim than the index.
            InvalidSpec: where a query is not finite, or has no direction to compare by cosine.
        """
        ...
