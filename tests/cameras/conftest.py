from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest

from edgevla.config.robot import Camera
from edgevla.config.units import RateHz, TimeS

WIDTH, HEIGHT = 32, 24


@pytest.fixture
def camera():
    """robot.yaml's entry for a 32x24 camera at `source`."""

    def entry(source, *, kind="opencv", width=WIDTH, height=HEIGHT, rate_hz=30.0):
        return Camera(
            name="front",
            kind=kind,
            source=str(source),
            width=width,
            height=height,
            rate=RateHz(rate_hz),
            max_age=TimeS(0.2),
        )

    return entry


@pytest.fixture
def picture():
    """A JPEG of one RGB colour."""

    def encode(colour=(200, 30, 30), width=WIDTH, height=HEIGHT):
        bgr = np.full((height, width, 3), colour[::-1], np.uint8)
        return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()

    return encode


@pytest.fixture
def part():
    """One part of the stream."""

    def build(body, t_s=None):
        stamp = b"" if t_s is None else f"X-Timestamp: {t_s:.6f}\r\n".encode()
        return (
            b"--frame\r\nContent-Type: image/jpeg\r\n"
            + stamp
            + f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
            + b"\r\n"
        )

    return build


@pytest.fixture
def serve():
    """Start an HTTP server whose every answer is written by `script(send)`; returns the address."""
    servers = []

    def start(script, *, status=200, content_type="multipart/x-mixed-replace; boundary=frame"):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.end_headers()
                script(self.wfile.write)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # the camera hung up

        server = Server(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_address[1]}/front?size=small"

    yield start
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def until():
    """Wait for a condition, for at most a generous while."""

    def wait(condition, limit_s=10.0):
        end = time.monotonic() + limit_s
        while not condition():
            assert time.monotonic() < end, "it did not happen in time"
            time.sleep(0.002)

    return wait
