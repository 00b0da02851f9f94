"""What tests of several backends need."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.backends.dask_cluster import Cluster, cluster


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A Dask cluster of one worker."""
    with cluster(tmp_path_factory.mktemp("dask"), 1) as running:
        yield running
