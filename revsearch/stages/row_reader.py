"""The bytes of a manifest's rows: read below their root within limits, and checked against the manifest."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from revsearch.rejects import Reason, Rejection
from revsearch.specs import ImageLimits
from revsearch.storage.images import read_image
from revsearch.storage.manifests import StoredManifest

_LIMITS = ("max_pixels", "max_side", "max_bytes", "max_ratio")


@dataclass(frozen=True)
class RowReader:
    """Where the bytes of a manifest lie, and what they may be. Small, and picklable.

    Attributes:
        roots: folder of the bytes by prefix of the id.
        limits: what a picture may ask of us.
        follow_symlinks: whether links may lead out of the roots.
    """

    roots: Mapping[str, str]
    limits: ImageLimits
    follow_symlinks: bool

    @classmethod
    def of(cls, manifest: StoredManifest) -> Self:
        """Return the reader of a manifest: limits are those it was made with.

        Raises:
            MissingArtifact: where nobody noted where its bytes lie.
        """
        return cls(manifest.roots, manifest_limits(manifest), manifest.follow_symlinks)

    def read(self, location: str, root: Path, content: bytes) -> bytes:
        """Return the bytes of a row that `locate` found at `location`.

        Raises:
            Rejection: as `read_image`, and CHECKSUM_MISMATCH where they are not those of `content`, their SHA-256.
        """
        limit = self.limits.max_bytes
        data = read_image(location, root, max_bytes=limit, follow_symlinks=self.follow_symlinks)
        if hashlib.sha256(data).digest() != content:
            raise Rejection(Reason.CHECKSUM_MISMATCH, "the file changed since its manifest was made; make a new one")
        return data


def manifest_limits(manifest: StoredManifest) -> ImageLimits:
    """Return the limits that the manifest's pictures were held against."""
    asked = manifest.artifact.card.spec
    return ImageLimits(**{name: asked[name] for name in _LIMITS})
