"""Lines of a UTF-8 file of any size, in bounded memory."""

from collections.abc import Iterator
from io import BufferedReader, StringIO

from revsearch.errors import InvalidSpec
from revsearch.storage.tables.list_file import ListFile

MAX_LINE_BYTES = 2**18
_CHUNK_BYTES = 2**20
_BOM = b"\xef\xbb\xbf"


def text_lines(table: ListFile) -> Iterator[str]:
    """Yield the lines of a list, each with its `\\n`, without a byte order mark.

    Raises:
        InvalidSpec: naming the byte that is no UTF-8, or the line that is longer than `MAX_LINE_BYTES`.
    """
    line = 1
    with table.path.open("rb") as file:
        for offset, chunk in _whole_lines(file):
            longest = max(map(len, chunk.split(b"\n"))) if len(chunk) > MAX_LINE_BYTES else 0
            if longest > MAX_LINE_BYTES:
                raise InvalidSpec(_too_long(table, line, chunk))
            yield from StringIO(_decoded(chunk, offset, table), newline="\n")
            line += chunk.count(b"\n")


def _whole_lines(file: BufferedReader) -> Iterator[tuple[int, bytes]]:
    """Yield byte offset and bytes of chunks that end where a line ends, or that hold one line longer than allowed."""
    offset, rest = 0, file.read(len(_BOM))
    if rest == _BOM:
        offset, rest = len(_BOM), b""
    while more := file.read(_CHUNK_BYTES):
        rest += more
        cut = rest.rfind(b"\n") + 1
        if not cut and len(rest) > MAX_LINE_BYTES:
            break
        if cut:
            yield offset, rest[:cut]
            offset, rest = offset + cut, rest[cut:]
    if rest:
        yield offset, rest


def _decoded(chunk: bytes, offset: int, table: ListFile) -> str:
    try:
        return chunk.decode()
    except UnicodeDecodeError as error:
        raise InvalidSpec(f"{table}: not UTF-8 at byte {offset + error.start}; save the list as UTF-8") from error


def _too_long(table: ListFile, line: int, chunk: bytes) -> str:
    before = next(n for n, text in enumerate(chunk.split(b"\n")) if len(text) > MAX_LINE_BYTES)
    return f"{table} line {line + before}: longer than {MAX_LINE_BYTES} bytes; a list has one image a line"
