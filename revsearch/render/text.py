"""Text that shows all it holds: file names and labels come from anywhere, and may hide or turn what stands beside them.

Markup is escaped by the template. Here the characters are found that no escaping makes visible.
"""

import unicodedata
from collections.abc import Iterator
from itertools import groupby

from revsearch.redaction import redacted

# Control, format (bidirectional overrides, zero width), line and paragraph separators, surrogates.
_UNSEEN = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs"})


def pieces(text: str) -> Iterator[tuple[str, bool]]:
    """Yield runs of `text` with whether they are escapes: `\\n`, `\\x1b`, `\\u202e` in place of what cannot be seen.

    Secrets of addresses are taken out.
    """
    for unseen, run in groupby(redacted(text), _is_unseen):
        piece = "".join(run)
        yield (_escape(piece) if unseen else piece), unseen


def plain(text: str) -> str:
    """Return `text` on one line with an escape in place of each character that cannot be seen; for attributes."""
    return "".join(piece for piece, _ in pieces(text))


def _is_unseen(character: str) -> bool:
    return unicodedata.category(character) in _UNSEEN


def _escape(unseen: str) -> str:
    return unseen.encode("unicode_escape").decode("ascii")
