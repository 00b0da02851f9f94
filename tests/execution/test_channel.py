"""A child's descriptors in its parent."""

import os
from collections import Counter

import pytest

from caikit_nb.execution import channel


@pytest.mark.parametrize("at", [1, 2])
def test_an_interrupt_closes_no_descriptor_twice(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """What was closed may be somebody else's by then."""
    closed: Counter[int] = Counter()
    really_close = os.close

    def close(fd: int) -> None:
        really_close(fd)
        closed[fd] += 1
        if closed.total() == at:
            raise KeyboardInterrupt

    made = channel.Channel(os.memfd_create("inputs"))
    fds = made.child.fds()
    with monkeypatch.context() as patch:
        patch.setattr(os, "close", close)
        with pytest.raises(KeyboardInterrupt):
            made.close_child_end()
        made.close()
    for fd in set(fds) - set(closed):
        os.close(fd)
    assert max(closed.values()) == 1
