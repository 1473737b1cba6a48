"""A cable between browser and console that can be pulled: nobody is told, nothing arrives any more."""

from __future__ import annotations

import contextlib
import select
import socket
import threading


class Wire:
    """Passes TCP connections on to a port of this machine; `port` is its own."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._peers: dict[socket.socket, socket.socket] = {}
        self._plugged = threading.Event()
        self._plugged.set()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._pass_on, daemon=True)

    def __enter__(self) -> Wire:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._plugged.set()
        self._ends.set()
        self._thread.join()
        for end in [*self._peers, self._listener]:
            end.close()

    def pull(self) -> None:
        """From now on what is sent stays where it is."""
        self._plugged.clear()

    def plug_in(self) -> None:
        self._plugged.set()

    def _pass_on(self) -> None:
        while not self._ends.is_set():
            self._plugged.wait()
            for end in select.select([self._listener, *self._peers], [], [], 0.02)[0]:
                if not self._plugged.is_set():
                    break
                if end is self._listener:
                    self._accept()
                elif end in self._peers:
                    self._copy(end)

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        try:
            far = socket.create_connection(("127.0.0.1", self._to_port))
        except OSError:
            near.close()
            return
        self._peers |= {near: far, far: near}

    def _copy(self, end: socket.socket) -> None:
        peer = self._peers[end]
        with contextlib.suppress(OSError):
            if data := end.recv(65536):
                peer.sendall(data)
                return
        for each in (end, peer):
            del self._peers[each]
            each.close()
