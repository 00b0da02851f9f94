"""The database of experiments."""

from __future__ import annotations

import functools
import logging
import math
import time
from collections.abc import Iterator
from json import JSONDecodeError
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from caikit_nb.errors import DatabaseError, ResourceExistsError, ResourceMissingError
from caikit_nb.experiments import rows
from caikit_nb.experiments.encoding import from_json
from caikit_nb.experiments.engine import Database, default_url, parse_url
from caikit_nb.experiments.experiment import Experiment
from caikit_nb.experiments.heartbeat import Heartbeat
from caikit_nb.experiments.names import check_name
from caikit_nb.experiments.schema import experiments
from caikit_nb.experiments.search_types import search_class
from caikit_nb.experiments.storage import LeaseRules, Storage

logger = logging.getLogger(__name__)

DEFAULT_LEASE_S = 60.0
DEFAULT_MAX_DELIVERIES = 3


class ExperimentDB:
    """Where experiments are kept, for this process and any others.

    Args:
        url: ``sqlite:///FILE``, ``postgresql://…`` or another of SQLAlchemy's; if None, what
            ``$CAIKIT_NB_EXPERIMENTS`` says, else a file in the user's data directory.
        lease_s: How long a job stays with a worker that gives no sign of life, in seconds; then
            it is QUEUED again. None for ever, and without signs of life.
        max_deliveries: How often a job is given to a worker before it has CRASHED instead.

    Raises:
        ValueError: an argument isn't one.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        lease_s: float | None = DEFAULT_LEASE_S,
        max_deliveries: int = DEFAULT_MAX_DELIVERIES,
    ) -> None:
        if lease_s is not None and not (lease_s > 0 and math.isfinite(lease_s)):
            raise ValueError(f"lease_s must be seconds above 0, or None, not {lease_s!r}")
        if max_deliveries < 1:
            raise ValueError(f"max_deliveries must be at least 1, not {max_deliveries!r}")
        self.url = default_url() if url is None else url
        self._database = Database(parse_url(self.url))
        self._rules = LeaseRules(lease_s, max_deliveries)
        self._heartbeat = None if lease_s is None else Heartbeat(self._beat, lease_s)

    def __repr__(self) -> str:
        return f"<ExperimentDB {self._database}>"

    def __reduce__(self) -> tuple[Any, ...]:
        rules = self._rules
        make = functools.partial(ExperimentDB, self.url, lease_s=rules.lease_s)
        return functools.partial(make, max_deliveries=rules.max_deliveries), ()

    @property
    def database(self) -> Database:
        """Its transactions."""
        return self._database

    def add_experiment(self, experiment: Experiment) -> Experiment:
        """Store a new experiment, which from now on is this database's.

        Raises:
            ResourceExistsError: the name is taken.
            UnstorableValueError: a value of its search isn't JSON.
        """
        columns = experiment.columns()
        row = columns | {"name": experiment.name, "proposed": 0, "created_at": time.time()}
        mine = experiments.c.name == experiment.name
        try:
            with self._database.writing() as tx:
                if tx.execute(select(experiments.c.key).where(mine)).first() is not None:
                    raise _name_taken(experiment)
                tx.execute(insert(experiments).values(row))
                key = tx.scalars(select(experiments.c.key).where(mine)).one()
        except DatabaseError as error:
            if isinstance(error.__cause__, IntegrityError):  # somebody was faster
                raise _name_taken(experiment) from None
            raise
        return self._adopt(experiment, key, columns)

    def put_experiment(self, experiment: Experiment) -> Experiment:
        """Store an experiment whether there is one of its name or not; its jobs stay."""
        columns = experiment.columns()
        with self._database.writing() as tx:
            mine = experiments.c.name == experiment.name
            tx.execute(update(experiments).where(mine).values(columns))
            key = tx.scalar(select(experiments.c.key).where(mine))
        return (
            self.add_experiment(experiment)
            if key is None
            else self._adopt(experiment, key, columns)
        )

    def get_experiment(self, name: str) -> Experiment:
        """The experiment of that name.

        Raises:
            ResourceMissingError: there is none.
            ValueError: its search isn't known here, or the name can't be one.
        """
        check_name(name)
        with self._database.reading() as tx:
            row = tx.execute(select(experiments).where(experiments.c.name == name)).first()
        if row is None:
            raise ResourceMissingError(f"there is no experiment {name!r}")
        return self._experiment(row)

    def get_experiments(self) -> Iterator[Experiment]:
        """All experiments by name; one whose search isn't known here is logged and left out."""
        with self._database.reading() as tx:
            found = tx.execute(select(experiments).order_by(experiments.c.name)).all()
        for row in found:
            try:
                experiment = self._experiment(row)
            except (ValueError, KeyError, TypeError) as error:
                logger.warning("experiment %r was left out: %s", row.name, error)
                continue
            yield experiment

    def close(self) -> None:
        """Give up the connections and the leases; what runs here will be queued again."""
        if self._heartbeat is not None:
            self._heartbeat.close()
        self._database.close()

    def _experiment(self, row: Row[Any]) -> Experiment:
        kind = search_class(row.search)
        try:
            experiment = kind.from_params(row.name, row.status, from_json(row.params))
        except (KeyError, TypeError, JSONDecodeError) as error:
            raise ValueError(
                f"experiment {row.name!r} is stored with parameters that {row.search} doesn't "
                f"have: {error!r}"
            ) from error
        return self._adopt(experiment, row.key, experiment.columns())

    def _adopt(self, experiment: Experiment, key: int, columns: dict[str, Any]) -> Experiment:
        experiment._db = Storage(self._database, key, experiment.name, self._rules, self._heartbeat)
        experiment._stored = columns
        return experiment

    def _beat(self, key: int, version: int) -> bool:
        lease_s = self._rules.lease_s or 0.0
        with self._database.writing() as tx:
            return rows.beat(tx, key, version, self._database.now(tx) + lease_s)


def _name_taken(experiment: Experiment) -> ResourceExistsError:
    name = repr(experiment.name)
    return ResourceExistsError(
        f"there is an experiment {name} already; get_experiment({name}) opens it"
    )
