"""Pauses in work that nobody waits for."""

from __future__ import annotations

import threading
import time

_PAUSE_S = 0.0003


def breathe() -> None:
    """Let the user's cell have Python's lock, between two pieces of work of a background thread.

    Who computes keeps that lock for five milliseconds at a time, and the kernel needs it anew after
    each of the messages that even the smallest cell takes.
    """
    if threading.current_thread() is not threading.main_thread():
        time.sleep(_PAUSE_S)
