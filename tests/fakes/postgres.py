"""A server that speaks as much of PostgreSQL's protocol as it takes to be told a password."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading

_SSL, _GSS = 80877103, 80877104
_PASSWORD_PLEASE = b"R" + struct.pack("!ii", 8, 3)


class FakePostgres:
    """Asks whoever comes for a password in plain text, and keeps all that it is sent."""

    def __init__(self) -> None:
        self.sent = b""
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), self._answer, bind_and_activate=True)
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> FakePostgres:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, request: socket.socket, _address: object, _server: object) -> None:
        request.settimeout(10)
        while beginning := request.recv(8):
            length, kind = struct.unpack("!ii", beginning)
            if kind in (_SSL, _GSS):
                request.sendall(b"N")
                continue
            self.sent += request.recv(length)
            request.sendall(_PASSWORD_PLEASE)
            self.sent += request.recv(4096)
            return
