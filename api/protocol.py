"""HTTP/1.1 as uvicorn speaks it with httptools, which by itself would collect a header block without end."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_LIMIT = 64 * 1024  # bytes; of half as many on, `api.limits` refuses with an answer in the envelope
_SENTENCE = b"The headers are far too large."
_REFUSAL = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"connection: close\r\ncontent-length: %d\r\n\r\n%s" % (len(_SENTENCE), _SENTENCE)
)


class GuardedHttp(HttpToolsProtocol):
    """Ends a connection whose request line and headers exceed HEAD_LIMIT and are not complete yet.

    Headers after a body (trailers) are dropped: nobody here reads them.
    """

    _head: int | None = 0  # bytes of a head that is arriving; None while a body does
    _chunk = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head is not None:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._head = None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._head = -self._chunk  # what has arrived with the end of this message is not counted for the next
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        self._chunk = len(data)
        super().data_received(data)
        if self._head is None or self.transport.is_closing():
            return
        self._head += len(data)
        if self._head > HEAD_LIMIT:
            self.transport.write(_REFUSAL)
            self.transport.close()
