"""Which gallery images are right for a query, and which are taken out of its ranking."""

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Self

import numpy as np
from numpy.typing import NDArray

from revsearch.errors import InvalidSpec
from revsearch.manifest import Strings, content_keys
from revsearch.postings import Positions, Postings, is_in
from revsearch.specs import did_you_mean
from revsearch.truth import Truth

NAMES_COMPARED = 10_000  # a nearest name among millions takes minutes to find


@dataclass(frozen=True)
class Relevance:
    """For each query its relevant and its junk gallery positions, disjoint by construction: junk wins.

    The query's own manifest row ("self") is junk, or, with `self_in`, relevant.

    Attributes:
        wanted: right answers, self and junk not yet taken out.
        self_positions: int64 `[q]`, where the query's own row lies in the gallery; -1 where it does not.
        junk: lists of gallery rows that are neither right nor wrong.
        self_in: whether the query's own row counts as found.
    """

    wanted: Postings
    self_positions: NDArray[np.int64]
    junk: tuple[Postings, ...] = ()
    self_in: bool = False

    def __post_init__(self) -> None:
        for postings in (*self.junk, self.wanted):
            if len(postings) != len(self):
                raise InvalidSpec(f"relevance: expected lists of {len(self)} queries, found {len(postings)}")

    def __len__(self) -> int:
        return len(self.self_positions)

    def of(self, query: int) -> tuple[Positions, Positions]:
        """Return the relevant and the junk gallery positions of one query, both ascending."""
        wanted, junk, own = self.wanted.of(query), self.junk_of(query), self.self_of(query)
        if len(junk):
            wanted = wanted[~is_in(wanted, junk)]
        return np.union1d(wanted, own) if len(own) else wanted, junk

    def junk_of(self, query: int) -> Positions:
        """Return the gallery positions that are taken out of the query's ranking, ascending."""
        own = self.self_positions[query : query + 1]
        lists = [postings.of(query) for postings in self.junk]
        if self.self_in:
            listed = np.unique(np.concatenate([own[:0], *lists]))
            return np.asarray(listed[listed != own], np.int64)
        return np.unique(np.concatenate([own[own >= 0], *lists]))

    def self_of(self, query: int) -> Positions:
        """Return the query's own position where it counts as found, `[0 or 1]`; not where nothing else is wanted."""
        own = self.self_positions[query : query + 1]
        counts = self.self_in and len(self.wanted.of(query)) > 0
        return own[own >= 0] if counts else own[:0]

    def judge(self, query: int, positions: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Say for a few gallery positions `[p]` whether they are relevant and whether they are junk, each `[p]`."""
        junk = is_in(positions, self.junk_of(query))
        right = is_in(positions, self.wanted.of(query)) & ~junk
        return right | is_in(positions, self.self_of(query)), junk

    def n_relevant(self) -> NDArray[np.int64]:
        """Return each query's number of relevant gallery images R, `[q]`."""
        counts = self.wanted.counts()
        for query in np.flatnonzero(counts).tolist():
            wanted = self.wanted.of(query)
            counts[query] -= is_in(self.junk_of(query), wanted).sum()
            counts[query] += (~is_in(self.self_of(query), wanted)).sum()
        return counts

    def with_self_in(self) -> Self:
        """Return the same with each query's own row among the relevant, as UKBench's N-S score has it."""
        return replace(self, self_in=True)

    def with_junk(self, postings: Postings) -> Self:
        """Return the same with more rows taken out, such as `twins`."""
        return replace(self, junk=(*self.junk, postings))

    def n_queries_with(self, postings: Postings) -> int:
        """Return how many queries have another row than their own in `postings`, such as `twins`."""
        own = self.self_positions
        listed = [own[query] >= 0 and is_in(own[query : query + 1], postings.of(query))[0] for query in range(len(own))]
        return int(np.sum(postings.counts() > np.array(listed, int)))

    @classmethod
    def by_key(
        cls, query_keys: Iterable[Hashable], gallery_keys: Iterable[Hashable], self_positions: NDArray[np.int64]
    ) -> Self:
        """Make relevant what has the query's label or group; None, as distractors have it, matches nothing."""
        return cls(Postings.by_key(query_keys, gallery_keys), self_positions)

    @classmethod
    def from_truth(
        cls,
        truth: Mapping[str, Truth],
        query_ids: Strings,
        gallery_ids: Strings,
        self_positions: NDArray[np.int64],
        known_ids: Collection[str] = (),
    ) -> Self:
        """Make relevant what a truth file names; a query that it does not name has no relevant image.

        Args:
            truth: by query id.
            query_ids: str `[q]`.
            gallery_ids: str `[n]`.
            self_positions: int64 `[q]`, -1 where the query is not in the gallery.
            known_ids: ids of the manifest, embedded or rejected: named in `truth` they are no mistake, but only
                rows of the gallery count.

        Raises:
            InvalidSpec: where `truth` names ids that are nowhere, with the first five.
        """
        _require_known("query", truth, query_ids, known_ids)
        named = chain.from_iterable((*said.positives, *said.junk) for said in truth.values())
        _require_known("gallery", named, gallery_ids, known_ids)
        place = {id: position for position, id in enumerate(gallery_ids)}
        asked = [truth.get(id, Truth(())) for id in query_ids]
        return cls(
            _found([said.positives for said in asked], place),
            self_positions,
            (_found([said.junk for said in asked], place),),
        )


def twins(query_contents: NDArray[np.uint8], gallery_contents: NDArray[np.uint8]) -> Postings:
    """Return the gallery rows whose bytes are the query's, from SHA-256 `[q, 32]` and `[n, 32]`; self is one."""
    return Postings.by_key(content_keys(query_contents).tolist(), content_keys(gallery_contents).tolist())


def _found(ids: Sequence[tuple[str, ...]], place: Mapping[str, int]) -> Postings:
    return Postings.from_lists([np.array([place[id] for id in some if id in place], np.int64) for some in ids])


def _require_known(kind: str, named: Iterable[str], ids: Strings, known_ids: Collection[str]) -> None:
    known = set(ids) | set(known_ids)
    unknown = [id for id in dict.fromkeys(named) if id not in known]
    if unknown:
        raise InvalidSpec(
            f"truth file: {len(unknown)} {kind} ids are not in the manifest, first: {unknown[:5]}"
            f"{_nearest(unknown[0], known)}"
        )


def _nearest(name: str, known: Collection[str]) -> str:
    """Suggest an id of the same base name, else one spelt alike."""
    base = name.rsplit("/", 1)[-1]
    same = sorted(id for id in known if id.rsplit("/", 1)[-1] == base)
    return f"; did you mean {same[0]}?" if same else did_you_mean(name, islice(sorted(known), NAMES_COMPARED))
