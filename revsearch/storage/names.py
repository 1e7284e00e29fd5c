"""Names of files as text: ids, which are paths below the root, also where their bytes are no UTF-8."""

import re

# Bytes that are no UTF-8 are never ASCII, so that only %80..%FF, in capitals, can be an escape.
_HIGH = "[89A-F][0-9A-F]"
_LOOKS_ESCAPED = re.compile(f"%(?=(?:25)*{_HIGH})")
_ESCAPED = re.compile(f"%(?:25(?=(?:25)*{_HIGH})|({_HIGH}))")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_SURROGATE = re.compile("[\udc80-\udcff]")  # how Python carries a byte that is no UTF-8 in a str


def encode_id(path: bytes) -> str:
    """Return the id of a path below the root: its text, where bytes that are no UTF-8 are written `%FF`.

    A name stays as it is wherever that can be read back (`100%.jpg`, `%2e%2e`, `caf%C3%A9.jpg`). Only a name that
    would be taken for an escaped one, such as `%FF.jpg`, has its `%` written `%25`.
    """
    return "/".join(_encode_name(name) for name in path.split(b"/"))


def decode_id(id: str) -> bytes:
    """Return the path whose id this is: `decode_id(encode_id(path)) == path` for all bytes.

    Raises:
        UnicodeEncodeError: where the text holds lone surrogates, which no id does.
    """
    if "%" not in id:
        return id.encode()
    return b"/".join(_decode_name(name) for name in id.split("/"))


def tidied(path: str) -> str:
    """Return a path without `.` and empty parts; `..` stays. Empty where nothing else is in it."""
    if "/." not in path and "//" not in path and not path.startswith(("/", ".")) and not path.endswith("/"):
        return path  # as most are
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def is_url(text: str) -> bool:
    """Say whether a text begins as a URL, and is no path."""
    return _URL.match(text) is not None


def _encode_name(name: bytes) -> str:
    try:
        text = name.decode()
    except UnicodeDecodeError:
        return _escape(name)
    return text if "%" not in text or _decode_name(text) == name else _escape(name)


def _decode_name(text: str) -> bytes:
    name = _ESCAPED.sub(_unescape, text).encode("utf-8", "surrogateescape")
    return name if _escape(name) == text else text.encode()


def _escape(name: bytes) -> str:
    text = _LOOKS_ESCAPED.sub("%25", name.decode("utf-8", "surrogateescape"))
    return _SURROGATE.sub(lambda found: f"%{ord(found[0]) - 0xDC00:02X}", text)


def _unescape(found: re.Match[str]) -> str:
    return chr(0xDC00 + int(found[1], 16)) if found[1] else "%"
