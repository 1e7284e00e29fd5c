"""A store that fails once."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from revsearch.errors import MissingArtifact, StoreUnavailable
from revsearch.storage.store import KeyInfo, Store


class FailingStore:
    """Passes calls on; the Nth fails, before it does anything or when it is done (its answer is lost)."""

    def __init__(self, store: Store, at: int, *, done: bool) -> None:
        self.store, self.at, self.done, self.calls = store, at, done, 0
        self._lock = threading.Lock()

    @property
    def uri(self) -> str:
        return self.store.uri

    def __getattr__(self, name: str) -> Any:
        return lambda *args: self._called(getattr(self.store, name), args)

    def list(self, prefix: str) -> Iterator[KeyInfo]:
        return iter(self._called(lambda: list(self.store.list(prefix)), ()))

    def _called(self, method: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        with self._lock:
            self.calls += 1
            fails = self.calls == self.at
        if not fails:
            return method(*args)
        if self.done:
            with suppress(MissingArtifact):
                method(*args)
        raise StoreUnavailable("the store does not answer")
