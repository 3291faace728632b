"""Shows how far a step that takes more than a moment has come."""

import sys
import time
from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much is done and how much there is."""


class ProgressLine:
    """Keeps one line of the terminal up to date; silent elsewhere.

    Args:
        patience (float): Seconds that pass before anything is shown.
            Defaults to 2.
    """

    def __init__(self, patience: float = 2.0):
        self._next = time.monotonic() + patience
        self._width = 0

    def __call__(self, what: str, done: int, total: int) -> None:
        """Shows a step, at most ten times a second."""
        if not sys.stderr.isatty() or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + 0.1
        self._show(f'{what}: {done} of {total}')

    def clear(self) -> None:
        """Wipes the line."""
        if self._width:
            self._show('')
            sys.stderr.write('\r')
            self._width = 0

    def _show(self, text: str) -> None:
        sys.stderr.write('\r' + text.ljust(self._width))
        sys.stderr.flush()
        self._width = len(text)
