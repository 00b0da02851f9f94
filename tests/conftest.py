"""What holds for every test."""

import signal


def pytest_configure() -> None:
    """Interrupts work also where the run was started in the background.

    A shell has its background processes ignore SIGINT, and what they start inherits that.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
