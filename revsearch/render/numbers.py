"""Numbers as people read them."""


def figure(value: float | None) -> str:
    """Return a metric or score with 3 decimals, `–` where there is none."""
    return "–" if value is None else f"{value:.3f}"


def short(value: float | None) -> str:
    """Return a quantity of any size with 4 digits, `–` where there is none: losses, learning rates."""
    return "–" if value is None else f"{value:.4g}"


def signed(value: float) -> str:
    """Return a difference of metrics with 3 decimals and its sign: `+0.061`, `−0.004`, `±0.000`."""
    return _with_sign(value, f"{abs(value):.3f}")


def signed_short(value: float) -> str:
    """Return a difference of quantities of any size with 3 digits and its sign: `−0.00123`."""
    return _with_sign(value, f"{abs(value):.3g}")


def _with_sign(value: float, size: str) -> str:
    return ("±" if not float(size) else "+" if value > 0 else "−") + size


def count(value: int) -> str:
    """Return a count with its thousands apart."""
    return f"{value:,}"


def duration(seconds: float) -> str:
    """Return seconds in the unit that suits them: `4 ms`, `12.3 s`, `3 min 05 s`, `2 h 10 min`."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def percent(part: float, whole: float) -> str:
    """Return `part` of `whole` as the length of a bar: 0 to 100 with a decimal, as SVG reads it."""
    share = part / whole if whole > 0 else 0.0
    return f"{100 * min(max(share, 0.0), 1.0):.1f}"
