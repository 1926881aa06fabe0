"""Two secrets and a value that the tests of the driver share, and how an error is looked at."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tierhost.workers.runtime.contract import Code, DriverError

if TYPE_CHECKING:
    from collections.abc import Iterator

UUID = "0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f"
OTHER = "1b81f5b2-8403-7b23-c8d6-21ccc2f80d6f"
VALUE = b"correct horse battery staple"
CALL = b"call-0123456789a"


def xml(uuid: str = UUID, volume: str = "/x", *, ephemeral: str = "no", private: str = "no", extra: str = "") -> str:
    return f"""<secret ephemeral='{ephemeral}' private='{private}'><uuid>{uuid}</uuid>{extra}
      <usage type='volume'><volume>{volume}</volume></usage></secret>"""


@contextmanager
def raises(code: Code, match: str) -> Iterator[None]:
    with pytest.raises(DriverError, match=match) as caught:
        yield
    assert caught.value.code is code
