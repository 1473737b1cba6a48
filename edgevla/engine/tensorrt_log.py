"""TensorRT talks through a logger and returns None: this keeps what it said, for the one line that a user sees."""

from __future__ import annotations

from collections import deque

import tensorrt as trt


class Log(trt.ILogger):  # type: ignore[misc]  # the bindings come without types
    """Collects errors and warnings, and prints nothing: its lines would stand in the middle of the status table."""

    def __init__(self) -> None:
        trt.ILogger.__init__(self)
        self.errors: deque[str] = deque(maxlen=8)
        self.warnings: deque[str] = deque(maxlen=32)

    def log(self, severity: trt.ILogger.Severity, message: str) -> None:
        """Called by TensorRT, from any of its threads."""
        if severity in {trt.ILogger.Severity.INTERNAL_ERROR, trt.ILogger.Severity.ERROR}:
            self.errors.append(message)
        elif severity == trt.ILogger.Severity.WARNING:
            self.warnings.append(message)

    def why(self) -> str:
        """The last error, or that there was none; what was kept is forgotten."""
        last = self.errors[-1] if self.errors else "TensorRT gives no reason"
        self.errors.clear()
        return " ".join(last.split())
