"""Text that may be shown: file names and messages come from anywhere, and a terminal obeys what it is sent."""

import unicodedata

from revsearch.redaction import redacted

_UNSHOWN_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})  # controls, lone surrogates, line and paragraph separators
_BIDI_CONTROLS = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})


def printable(text: str) -> str:
    """Return `text` as one line without secrets of addresses; what would move or turn the line is escaped."""
    return "".join(_escaped(sign) if _unshown(sign) else sign for sign in redacted(text))


def _unshown(sign: str) -> bool:
    if sign == "\t" or (sign.isascii() and sign.isprintable()):
        return False
    return unicodedata.category(sign) in _UNSHOWN_CATEGORIES or unicodedata.bidirectional(sign) in _BIDI_CONTROLS


def _escaped(sign: str) -> str:
    return ascii(sign)[1:-1]
