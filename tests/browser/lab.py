"""A real JupyterLab, and one of its pages as a person would use it.

`LabServer` runs the server; `LabPage` drives a notebook in it. Playwright's synchronous calls keep
an event loop running on the calling thread, so the browser is open for this folder's tests only
(conftest.py) and `asyncio.run` works in all others.
"""

import importlib.util
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.lazy import Lazy
from tests.ports import free_port

nbformat = Lazy("nbformat")

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
VIEWPORT = {"width": 1280, "height": 900}
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
START_S = 180
STOP_S = 180
# On a slow machine a kernel takes seconds to its first word.
WAIT_MS = 180_000

ROOT = Path(__file__).parents[2]
LABEXTENSION = ROOT / "caikit_nb" / "labextension"
SERVER_CONFIG = ROOT / "caikit_nb" / "server" / "caikit_nb.json"

# No pop-ups over what a test looks at.
QUIET = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}

CURRENT = "window.jupyterapp?.shell?.currentWidget"
# `execute` is not awaited in the page: it ends when the cells do.
EXECUTE = """([command, args]) => {
    const run = window.testRun = {done: false};
    window.jupyterapp.commands.execute(command, args).finally(() => { run.done = true; });
}"""
# The kernel may be idle a moment before the page has seen the last cell's end.
IS_IDLE = f"""() => {{
    const panel = {CURRENT};
    const kernel = panel?.sessionContext?.session?.kernel;
    return kernel?.status === 'idle' && kernel.connectionStatus === 'connected'
        && (window.testRun?.done ?? true)
        && panel.content.widgets.every(cell => cell.promptNode?.textContent !== '[*]:');
}}"""
# `localPath` is without the name of the drive that a shared document has.
IS_OPEN = f"path => {CURRENT}?.context?.localPath === path && {CURRENT}.context.isReady"
SAVE = f"() => {CURRENT}.context.save()"
# Whether the page has JupyterLab, and not Notebook 7, another site or nothing.
IS_LAB = "() => window.jupyterapp?.name === 'JupyterLab'"
# What it gives is the widget, which doesn't go from the page to here.
OPEN = "path => window.jupyterapp.commands.execute('docmanager:open', {path}).then(() => null)"
# Our extension saves by itself, and then has each other saving wait (saveAlone.ts). What it has
# begun would end in the next test's file.
IS_SAVED = """() => document.querySelector('.jp-Dialog') !== null
    || [...window.jupyterapp.shell.widgets('main')].every(
        widget => !widget.context || !Object.hasOwn(widget.context, 'save'))"""
# As it is when it has just been loaded; changes that weren't saved are dropped without a question.
TIDY_UP = """async () => {
    const {commands, shell} = window.jupyterapp;
    for (const dialog of document.querySelectorAll('.jp-Dialog')) {
        dialog.querySelector('.jp-Dialog-close-button, .jp-mod-reject')?.click();
    }
    for (const widget of [...shell.widgets('main')]) {
        if (widget.context) {
            widget.context.model.dirty = false;
        }
        widget.close();
    }
    await commands.execute('apputils:dismiss-notification', {});
    shell.collapseRight();
    shell.activateById('filebrowser');
    window.testRun = undefined;
}"""
IS_TIDY = """() => {
    const {shell} = window.jupyterapp;
    const open = [...shell.widgets('main')].filter(widget => widget.context);
    return !open.length && !document.querySelector('.jp-Dialog, .lm-Menu');
}"""
CHANGE_THEME = "name => window.jupyterapp.commands.execute('apputils:change-theme', {theme: name})"
HAS_THEME = "name => document.body.dataset.jpThemeName === name"
HAS_CELL = f"index => {CURRENT}?.content?.widgets?.length > index"
GO_TO_CELL = f"""async index => {{
    const content = {CURRENT}.content;
    content.activeCellIndex = index;
    content.deselectAll();
    await content.scrollToItem(index);
}}"""


def find_chromium() -> str | None:
    """The path of an installed Chromium, or None."""
    return next((path for name in CHROMIUM_NAMES if (path := shutil.which(name))), None)


def why_no_browser() -> str | None:
    """What is missing for browser tests, with its remedy; None if nothing is."""
    if importlib.util.find_spec("playwright") is None:
        return 'playwright is missing: pip install "caikit_nb[test]"'
    if find_chromium() is None:
        return "chromium is missing: apt-get install chromium"
    return None


def write_notebook(path: Path, cells: Sequence[str]) -> Path:
    """Write a notebook of code cells; a cell whose source starts with "#md" becomes markdown."""
    notebook = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    )
    for source in cells:
        if source.startswith("#md"):
            notebook.cells.append(nbformat.v4.new_markdown_cell(source[3:].lstrip()))
        else:
            notebook.cells.append(nbformat.v4.new_code_cell(source))
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path


class LabServer:
    """A JupyterLab server of its own: settings, data, kernelspec, token and port.

    Args:
        home: An empty folder. Notebooks live in its `work`, the server's output in `server.log`.
    """

    def __init__(self, home: Path) -> None:
        self.root = home / "work"
        self.log = home / "server.log"
        self.token = secrets.token_hex(16)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.root.mkdir(parents=True)
        self._write_kernelspec()
        self.set("@jupyterlab/apputils-extension", "notification", QUIET)
        self._install_extensions()
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, *self._arguments()],
                cwd=self.root,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait_until_up(self._process)
        except BaseException:
            self._stop(self._process)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            try:
                self.shut_down_kernels()
            finally:
                self._stop(self._process)

    def api(self, path: str, method: str = "GET") -> Any:
        """Ask the server's REST interface; the answer's JSON, None if it is empty."""
        request = urllib.request.Request(
            f"{self.url}/api/{path}",
            method=method,
            headers={"Authorization": f"token {self.token}"},
        )
        with urllib.request.urlopen(request, timeout=START_S) as answer:
            body = answer.read()
        return json.loads(body) if body else None

    def set(self, package: str, plugin: str, settings: Mapping[str, Any]) -> None:
        """Set a plugin's settings for pages that are opened from now on."""
        folder = self._home / "settings" / package
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{plugin}.jupyterlab-settings").write_text(json.dumps(settings), "utf-8")

    def connection_file(self, kernel_id: str) -> Path:
        """By which a client of ours talks to a kernel."""
        return self._home / "runtime" / f"kernel-{kernel_id}.json"

    def shut_down_kernels(self) -> None:
        """End every notebook's kernel."""
        for session in self.api("sessions"):
            self.api(f"sessions/{session['id']}", method="DELETE")

    def _arguments(self) -> list[str]:
        return [
            *("-m", "jupyterlab", "--no-browser", "--allow-root"),
            *("--ip=127.0.0.1", f"--port={self.port}", "--ServerApp.port_retries=0"),
            f"--IdentityProvider.token={self.token}",
            f"--ServerApp.root_dir={self.root}",
            "--LabApp.expose_app_in_browser=True",
            "--JupyterNotebookApp.expose_app_in_browser=True",
            "--LabApp.news_url=",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            "--LabApp.extension_manager=readonly",
            f"--LabApp.workspaces_dir={self._home / 'workspaces'}",
            f"--LabApp.user_settings_dir={self._home / 'settings'}",
        ]

    def _environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("JUPYTER")}
        folders = {
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "IPYTHONDIR": "ipython",
        }
        own = {key: str(self._home / folder) for key, folder in folders.items()}
        # Else a virtual environment's kernelspec is found before ours.
        return {**kept, **own, "JUPYTER_PREFER_ENV_PATH": "0"}

    def _write_kernelspec(self) -> None:
        folder = self._home / "data" / "kernels" / "python3"
        folder.mkdir(parents=True)
        spec = {
            "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            "display_name": "Python 3",
            "language": "python",
        }
        (folder / "kernel.json").write_text(json.dumps(spec), "utf-8")

    def _install_extensions(self) -> None:
        """What an installed package brings along, of this checkout's build."""
        config = self._home / "config" / "jupyter_server_config.d"
        config.mkdir(parents=True)
        shutil.copy(SERVER_CONFIG, config)
        if LABEXTENSION.is_dir():
            extensions = self._home / "data" / "labextensions"
            extensions.mkdir(parents=True)
            (extensions / "caikit-nb").symlink_to(LABEXTENSION)

    def _wait_until_up(self, process: subprocess.Popen[bytes]) -> None:
        for _ in range(START_S * 4):
            try:
                self.api("status")
            except (urllib.error.URLError, ConnectionError):
                # The pause between two tries ends at once if the server dies.
                try:
                    process.wait(timeout=0.25)
                except subprocess.TimeoutExpired:
                    continue
                break
            else:
                return
        raise RuntimeError(f"JupyterLab did not start:\n{self.log.read_text('utf-8')[-4000:]}")

    def _stop(self, process: subprocess.Popen[bytes]) -> None:
        process.terminate()
        try:
            process.wait(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            # It leads a process group of its own.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def open_browser(profile: Path) -> Iterator[Any]:
    """A headless Chromium, as a playwright `BrowserContext`.

    What it has read and compiled is kept in the profile, an empty folder, from page to page. While
    it is open, `asyncio.run` fails on this thread.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=find_chromium(),
            headless=True,
            args=list(CHROMIUM_ARGUMENTS),
            viewport=VIEWPORT,
        )
        try:
            yield context
        finally:
            context.close()


class LabPage:
    """A browser page with JupyterLab, showing one notebook at a time.

    Args:
        server: The running server.
        page: A playwright `Page` of its own, which tests may use directly.
        artifacts: Where screenshots go.
        takes_pictures: Whether `picture` and `pictures` do anything.
    """

    def __init__(
        self, server: LabServer, page: Any, artifacts: Path, *, takes_pictures: bool
    ) -> None:
        self.server = server
        self.page = page
        self.takes_pictures = takes_pictures
        self.console: list[str] = []
        self._artifacts = artifacts
        self._path = ""
        # A workspace of its own: no tabs left open by earlier tests.
        self._workspace = uuid.uuid4().hex
        page.set_default_timeout(WAIT_MS)
        page.on("dialog", lambda dialog: dialog.accept())
        page.on("console", lambda message: self.console.append(message.text))

    def write_notebook(self, name: str, cells: Sequence[str]) -> str:
        """Write a notebook (see `write_notebook`) in the server's folder; its path there."""
        write_notebook(self.server.root / name, cells)
        return name

    def open(self, notebook_path: str | Path) -> None:
        """Show a notebook of the server's folder and wait for its kernel.

        JupyterLab is loaded only where the page hasn't got it yet: see `open_anew`.
        """
        if not self.page.evaluate(IS_LAB):
            self.open_anew(notebook_path)
            return
        self._path = str(notebook_path)
        self.page.evaluate(OPEN, self._path)
        self._wait_until_open()

    def open_anew(self, notebook_path: str | Path) -> None:
        """Load JupyterLab, which reads its settings then, with a notebook; wait for its kernel."""
        self._path = str(notebook_path)
        self.page.goto(
            f"{self.server.url}/lab/workspaces/{self._workspace}/tree/{self._path}"
            f"?token={self.server.token}"
        )
        self._wait_until_open()

    def tidy_up(self) -> None:
        """Close what a test has opened, so that the next one may use the page."""
        self.page.set_viewport_size(VIEWPORT)
        self.page.keyboard.press("Escape")  # a menu, a form
        if self.page.evaluate(IS_LAB):
            self.page.wait_for_function(IS_SAVED)
            self.page.evaluate(TIDY_UP)
            self.page.wait_for_function(IS_TIDY)
            self.set_theme("light")
        self.console.clear()

    def reload(self, wait_idle: bool = True) -> None:
        """Reload the page as a browser's button does; unsaved changes are lost.

        Args:
            wait_idle: Wait for the kernel too. It cannot answer while a long cell runs.
        """
        self.page.reload()
        self._wait_until_open(wait_idle)

    def run_all(self) -> None:
        """Start every cell. Returns at once: see `wait_idle`."""
        self.execute("notebook:run-all-cells")

    def run_cell(self, index: int) -> None:
        """Start one cell, counted from 0. Returns at once: see `wait_idle`."""
        self._go_to(index)
        self.execute("notebook:run-cell")

    def interrupt(self) -> None:
        """Interrupt the kernel."""
        self.execute("notebook:interrupt-kernel")

    def wait_idle(self, timeout_s: float = WAIT_MS / 1000) -> None:
        """Wait until all started cells have ended and the kernel is idle."""
        self.page.wait_for_function(IS_IDLE, timeout=timeout_s * 1000)

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Ask the page until something holds: what is measured or read may still be moving."""
        for _ in range(400):
            if condition():
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"waited in vain for {what}")

    def cell(self, index: int) -> Any:
        """A cell's locator, counted from 0."""
        shown = self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
        return shown.locator(f'.jp-Cell[data-windowed-list-index="{index}"]')

    def cell_output(self, index: int) -> Any:
        """The locator of a cell's whole output area, widgets included."""
        self._go_to(index)
        return self.cell(index).locator(".jp-Cell-outputArea")

    def cell_output_text(self, index: int) -> str:
        """The text that a person sees under a cell, widgets included, prompts left out."""
        return "\n".join(self.cell_output(index).locator(".jp-OutputArea-output").all_inner_texts())

    @property
    def panel(self) -> Any:
        """The locator of the panel of jobs."""
        return self.page.locator("#caikit-nb-jobs")

    def job(self, name: str) -> Any:
        """The locator of a job in the panel."""
        named = self.page.locator(".jp-caikit-name").get_by_text(name, exact=True)
        return self.panel.get_by_role("listitem").filter(has=named)

    def save(self) -> None:
        """Save the notebook, outputs and widget state included, and wait until it is on disk."""
        self.page.evaluate(SAVE)

    def set_theme(self, theme: str) -> None:
        """Switch to "light" or "dark"."""
        name = THEMES[theme]
        if self.page.evaluate(HAS_THEME, name):
            return
        self.page.evaluate(CHANGE_THEME, name)
        self.page.wait_for_function(HAS_THEME, arg=name)
        self.page.locator("#jupyterlab-splash").wait_for(state="detached")

    def picture(self, name: str) -> None:
        """Save what is seen, for `make pictures` alone."""
        if self.takes_pictures:
            self.screenshot(name)

    def pictures(self, name: str) -> None:
        """Save what is seen in light and in dark, for `make pictures` alone."""
        if self.takes_pictures:
            for theme in ("dark", "light"):
                self.set_theme(theme)
                self.screenshot(f"{name}-{theme}")

    def screenshot(self, name: str) -> Path:
        """Save what is seen as `tests/.artifacts/NAME.png`."""
        self._artifacts.mkdir(parents=True, exist_ok=True)
        path = self._artifacts / f"{name}.png"
        self.page.screenshot(path=path)
        return path

    def execute(self, command: str, **arguments: Any) -> None:
        """Start one of JupyterLab's commands. Returns at once: see `wait_idle`."""
        self.page.evaluate(EXECUTE, [command, arguments])

    def _go_to(self, index: int) -> None:
        self.page.wait_for_function(HAS_CELL, arg=index)
        self.page.evaluate(GO_TO_CELL, index)

    def _wait_until_open(self, wait_idle: bool = True) -> None:
        self.page.wait_for_function(IS_OPEN, arg=self._path)
        self.page.wait_for_selector("#jupyterlab-splash", state="detached")
        if wait_idle:
            self.wait_idle()
