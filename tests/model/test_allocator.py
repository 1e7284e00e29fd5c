import ctypes
import subprocess
import sys
from types import SimpleNamespace

import pytest

from revsearch.model.allocator import keep_freed_memory


def test_does_not_import_torch() -> None:
    code = "import sys, revsearch.model.allocator, revsearch.model.names; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_keeps_memory_where_the_c_library_is_glibc() -> None:
    # in a process of its own: the setting lasts
    code = "import sys; from revsearch.model.allocator import keep_freed_memory as k; sys.exit(0 if k() else 7)"
    expected = 0 if hasattr(ctypes.CDLL(None), "gnu_get_libc_version") else 7
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == expected


def test_says_no_where_it_is_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace())
    assert keep_freed_memory() is False
