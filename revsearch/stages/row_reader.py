"""The bytes of a manifest's rows: read below their root within limits, and checked against the manifest."""

import hashlib
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Self

from revsearch.manifest import Manifest
from revsearch.rejects import Reason, Rejection
from revsearch.specs import ImageLimits
from revsearch.stages.deadline import deadline
from revsearch.stages.read_ahead import ReadAhead
from revsearch.storage.manifests import StoredManifest, locate
from revsearch.storage.roots import Place, Root, open_root

_LIMITS = ("max_pixels", "max_side", "max_bytes", "max_ratio")


@dataclass(frozen=True)
class RowReader:
    """Where the bytes of a manifest lie, and what they may be. Small, and picklable.

    Attributes:
        roots: of the bytes, by prefix of the id.
        limits: what a picture may ask of us.
        follow_symlinks: whether links may lead out of the roots.
    """

    roots: Mapping[str, Root]
    limits: ImageLimits
    follow_symlinks: bool

    @classmethod
    def of(cls, manifest: StoredManifest) -> Self:
        """Return the reader of a manifest: limits are those it was made with.

        Raises:
            MissingArtifact: where nobody noted where its bytes lie.
        """
        roots = {prefix: open_root(uri) for prefix, uri in manifest.roots.items()}
        return cls(roots, manifest_limits(manifest), manifest.follow_symlinks)

    def places(self, block: Manifest) -> list[Place]:
        """Return where the rows of a block lie, `[m]`."""
        return [locate(block, row, self.roots) for row in range(len(block))]

    def read(self, place: Place, content: bytes) -> bytes:
        """Return the bytes of a row that lies at `place`.

        Raises:
            Rejection: as `Root.read`, and CHECKSUM_MISMATCH where they are not those of `content`, their SHA-256.
        """
        data = place.read(max_bytes=self.limits.max_bytes, follow_symlinks=self.follow_symlinks)
        if hashlib.sha256(data).digest() != content:
            raise Rejection(Reason.CHECKSUM_MISMATCH, "the file changed since its manifest was made; make a new one")
        return data

    def ahead(self, block: Manifest, timeout_s: float) -> ReadAhead:
        """Return what gives the bytes of the rows of a block, by their number in it; raises as `read`, and TIMEOUT.

        Reading a file of this machine that takes too long ends the process (`deadline`).
        """
        places = self.places(block)

        def read(row: int) -> bytes:
            with nullcontext() if places[row].root.is_remote else deadline(timeout_s):
                return self.read(places[row], block.contents[row].tobytes())

        return ReadAhead(places, block.sizes.tolist(), read, timeout_s=timeout_s)


def manifest_limits(manifest: StoredManifest) -> ImageLimits:
    """Return the limits that the manifest's pictures were held against."""
    asked = manifest.artifact.card.spec
    return ImageLimits(**{name: asked[name] for name in _LIMITS})
