"""Fixtures: ranks that stay up over all tests, and a world of one rank in this process."""

import os
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from selm_torch.world import World, open_world

from .ranks import Ranks


@pytest.fixture(scope="session", params=[1, 2], ids=["1-rank", "2-ranks"])
def ranks(request: pytest.FixtureRequest) -> Iterator[Ranks]:
    """One rank, and two."""
    started = Ranks(request.param)
    yield started
    assert started.close() == [0] * request.param


@pytest.fixture(scope="session")
def two_ranks() -> Iterator[Ranks]:
    """Two ranks."""
    started = Ranks(2)
    yield started
    assert started.close() == [0, 0]


class NoParent:
    """The channel of a rank without a parent."""

    stop_requested = False

    def send(self, message_type: str, /, **fields: Any) -> None:
        """Nobody listens."""


@pytest.fixture(scope="session")
def world() -> World:
    """This process as the only rank."""
    torch.set_num_threads(1)
    os.environ["SELM_DEVICE"] = "cpu"
    os.environ["SELM_RENDEZVOUS"] = f"file://{tempfile.mkdtemp()}/rendezvous"
    return open_world(0, 1, NoParent())
