"""The C library. Looked up once: each look makes classes anew, also in each forked child."""

from __future__ import annotations

import ctypes

libc = ctypes.CDLL(None, use_errno=True)
