"""Jobs that several tests look at: a sheet of features for each start method.

A job's process costs half a second of a processor where it is a fresh interpreter. What doesn't
influence each other is done by one job, and each test looks at its own feature of it.
"""

from collections.abc import Mapping

from tests.notebook.kernel import Cell, Kernel


class Sheet:
    """The cells of a module that are jobs, each run to its end once for a start method.

    Args:
        kernel: Whose jobs they are.
        set_up: What their cells need in the kernel.
        cells: The cells by name, each with the options of its first line, if any; ``{method}`` in
            it stands for the start method.
    """

    def __init__(self, kernel: Kernel, set_up: str, cells: Mapping[str, str]) -> None:
        self._kernel, self._set_up, self._cells = kernel, set_up, cells
        self._pid = 0
        self._shown: dict[str, Cell] = {}

    def job(self, name: str, method: str) -> str:
        """The variable that a job's future is bound to, which is the job's name as well."""
        if self._kernel.pid != self._pid:  # another one, or it was restarted
            self._kernel.do(self._set_up)
            self._pid, self._shown = self._kernel.pid, {}
        job = f"{name}_{method}"
        if job not in self._shown:
            options, _, body = self._cells[name].replace("{method}", method).partition("\n")
            line = f"%%caikit_job {job} -m {method} --wait {options}"
            self._shown[job] = self._kernel.do(f"{line}\n{body}", timeout=180)
        return job

    def shown(self, name: str, method: str) -> Cell:
        """What its cell has shown."""
        return self._shown[self.job(name, method)]
