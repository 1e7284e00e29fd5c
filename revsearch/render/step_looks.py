"""How each step of a stage is told of: its colour on the timeline, and what goes on in it."""

from dataclasses import dataclass

from revsearch.timeline import WAIT


@dataclass(frozen=True, slots=True)
class Look:
    """Colours on light and on dark pages: Okabe and Ito's, which colour-blind people tell apart."""

    light: str
    dark: str


_COMPUTE = Look("#0072B2", "#3A9BDC")
_PIXELS = Look("#E69F00", "#E8AE2C")
_BYTES = Look("#56B4E9", "#A5DBFF")
_ASIDE = Look("#D55E00", "#F0703C")
_START = Look("#AA4499", "#DD8CC4")
_WRITE = Look("#009E73", "#2FC79B")
_OTHER = Look("#3b4252", "#c9d1dc")
_WAIT = Look("#e6e9ee", "#36404c")

_STEPS = {  # steps of one look are one kind, whichever stage they are of; in the order they are stacked
    "embed": (_COMPUTE, "in the forward pass"),
    "step": (_COMPUTE, "learning"),
    "build": (_COMPUTE, "building the index"),
    "rank": (_COMPUTE, "searching"),
    "judge": (_COMPUTE, "judging lists"),
    "scan": (_PIXELS, "looking at every picture once"),
    "decode": (_PIXELS, "decoding"),
    "check": (_PIXELS, "hashing bytes and reading headers"),
    "load": (_PIXELS, "waiting for views to be read and decoded"),
    "list": (_BYTES, "listing the sources"),
    "fetch": (_BYTES, "waiting for bytes"),
    "take_over": (_ASIDE, "taking over vectors of earlier runs"),
    "merge": (_ASIDE, "merging vectors"),
    "tune": (_ASIDE, "tuning the search"),
    "validate": (_ASIDE, "validating"),
    "draw": (_ASIDE, "drawing the page"),
    "start": (_START, "starting Ray and workers"),
    "open": (_START, "opening encoders and indexes"),
    "write": (_WRITE, "writing"),
    "checkpoint": (_WRITE, "writing checkpoints"),
    WAIT: (_WAIT, "waiting for work"),
}


def look_of(step: str) -> Look:
    """Return how a step looks."""
    return _STEPS[step][0] if step in _STEPS else _OTHER


def said_of(step: str) -> str:
    """Return what goes on in a step, as it is said after `78 % of the workers' time`."""
    return _STEPS[step][1] if step in _STEPS else f"in {step}"


def stacked(steps: set[str]) -> list[str]:
    """Return steps in the order they are stacked: `wait` on top, below it those that nobody thought of."""
    known = [step for step in _STEPS if step in steps and step != WAIT]
    return [*known, *sorted(steps - _STEPS.keys()), *({WAIT} & steps)]
