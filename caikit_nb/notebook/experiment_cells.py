"""``%%caikit_job -e``: a cell as a job of an experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caikit_nb.notebook.cell_options import CellOptions

if TYPE_CHECKING:
    from caikit_nb.trials.cell_trial import CellTrial


def begin_trial(options: CellOptions, source: str, url: str | None) -> CellTrial | None:
    """Claim a row for a cell; None if its options name no experiment.

    Raises:
        ExperimentError: the database says no, or there is no next job.
        ValueError: the experiment doesn't take these hyperparameters.
        ImportError: a package is missing; names the extra.
    """
    if options.experiment is None:
        return None
    from caikit_nb.trials.cell_trial import CellTrial

    begin = CellTrial.next if options.takes_next else CellTrial.add
    return begin(url, options.experiment, options.params, source)
