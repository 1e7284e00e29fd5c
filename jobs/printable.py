"""Text that may be shown: file names and messages come from anywhere, and a terminal obeys what it is sent."""

import re
import unicodedata

_UNSHOWN_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})  # controls, lone surrogates, line and paragraph separators
_BIDI_CONTROLS = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
_USER_INFO = re.compile(r"(?<=://)[^/@\s'\"]+(?=@)")
_SECRET_PARAMETER = re.compile(
    r"(?<=[?&])([^=&\s]*(?:signature|credential|token|secret|password|key)[^=&\s]*=)[^&\s'\"]+", re.IGNORECASE
)


def printable(text: str) -> str:
    """Return `text` as one line without secrets of addresses; what would move or turn the line is escaped."""
    hidden = _SECRET_PARAMETER.sub(r"\1***", _USER_INFO.sub("***", text))
    return "".join(_escaped(sign) if _unshown(sign) else sign for sign in hidden)


def _unshown(sign: str) -> bool:
    if sign == "\t" or (sign.isascii() and sign.isprintable()):
        return False
    return unicodedata.category(sign) in _UNSHOWN_CATEGORIES or unicodedata.bidirectional(sign) in _BIDI_CONTROLS


def _escaped(sign: str) -> str:
    return ascii(sign)[1:-1]
