"""What is measured, of whom, and what is to come out."""

from dataclasses import dataclass, field
from enum import Enum


class Kind(Enum):
    """What a contender is to ours."""

    OURS = "ours"
    LIMIT = "limit"
    PEER = "peer"


BEST_PEER = "the best peer"


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to do what a row measures.

    Attributes:
        name: For the table.
        function: ``module:function`` below this package: a context manager that sets everything
            up and gives what is called. That is timed, or returns the measure itself.
        kind: What it is.
        requires: The module without which it is left out.
    """

    name: str
    function: str
    kind: Kind = Kind.PEER
    requires: str | None = None


@dataclass(frozen=True, slots=True)
class Goal:
    """What ours must reach.

    Attributes:
        at_most: In units of `than`; in the row's own unit if that is None.
        than: A contender's name, or `BEST_PEER`.
    """

    at_most: float
    than: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table: less is better.

    Attributes:
        name: For the command line.
        what: For the table.
        contenders: Ours first.
        goals: What must hold.
        unit: Of the measure; it is shown times `scale`.
        scale: 1000 for seconds shown as milliseconds.
        calls: How many in a block.
        rounds: How many blocks at least.
        apart: Whether each block has a fresh kernel, and no other contender's beside it.
        quantile: Which of a block's measures counts; the median is 0.5.
        outside: Whether the kernel's answer to a trivial cell is timed, while it is set up so.
        remark: What must be known to read it.
    """

    name: str
    what: str
    contenders: tuple[Contender, ...]
    goals: tuple[Goal, ...] = ()
    unit: str = "ms"
    scale: float = 1e3
    calls: int = 10
    rounds: int = 5
    apart: bool = False
    quantile: float = 0.5
    outside: bool = False
    remark: str = ""

    @property
    def ours(self) -> Contender:
        """Whom the goals are for."""
        return self.contenders[0]


@dataclass(slots=True)
class Measured:
    """What was measured of a contender.

    Attributes:
        blocks: The measures of each block, in seconds or the row's own unit.
        failure: Why there are none.
    """

    blocks: list[list[float]] = field(default_factory=list)
    failure: str = ""
