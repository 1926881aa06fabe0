"""The end of a thread that waits on descriptors."""

from __future__ import annotations

import os
import select

import pytest

from tierhost.workers.runtime.ending import End


def is_over(end: End) -> bool:
    return bool(select.select([end.fd], [], [], 0)[0])


def test_the_end_comes_once_and_stays() -> None:
    end = End()
    assert not is_over(end)
    end.put()
    end.put()
    assert is_over(end)
    assert is_over(end)


def test_its_descriptor_lives_as_long_as_anybody_holds_it() -> None:
    end = End()
    fd, put = end.fd, end.put
    del end
    put()
    del put
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
