"""Execute a notebook: papermill, in a kernel of this very environment.

Three known traps of the tools are dealt with here. A cell that shows an ipywidgets explorer can
leave the client waiting for a message that has already arrived: the channels are therefore polled
in short steps, every cell has a time limit, and a stalled run is repeated once with a fresh kernel.
Kernels talk over files in a private folder (``ipc``), not over an unencrypted port. And the kernel
is the Python that runs crmlab, never another one that a ``python3`` kernel specification means.

On request a section whose data do not suffice ends at the cell that says so, and the next begins.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from time import monotonic
from typing import Any

import nbformat
import papermill
from ipykernel.kernelspec import RESOURCES, get_kernel_dict
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.channels import AsyncZMQSocketChannel
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import ensure_event_loop
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError
from traitlets import Type, default

from crmlab.errors import NotEnoughData, TooManyGroups
from crmlab.language import _
from crmlab.report.leave_out import end_section, section

#: Seconds a cell may take, and seconds a kernel may take to start.
CELL_TIMEOUT = 600
START_TIMEOUT = 90

_POLL_SECONDS = 0.5
_KERNEL_NAME = "python3"
_SKIP = "skip-execution"
#: Errors that say of the data, not of the program, that a section cannot be computed.
_ENDING = (NotEnoughData.__name__, TooManyGroups.__name__)
#: With the many objects that pandas and its relatives bring, looking for cycles as often as Python
#: does by itself takes a tenth of the time of a run, and finds hardly any.
_SELDOM_COLLECT = "--IPKernelApp.exec_lines=import gc; gc.set_threshold(100_000, 20, 20)"
#: Nobody calls back what a run has executed.
_NO_HISTORY = "--HistoryManager.enabled=False"

#: Called with the number of cells begun and the number there are.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Failure:
    """Why a notebook did not run to its end.

    Attributes
    ----------
    cell : str
        Id of the cell; empty when the kernel did not start.
    first_line : str
        First line of its code.
    message : str
        The error in one line.
    """

    cell: str
    first_line: str
    message: str


class NotebookFailed(Exception):
    """A cell of a notebook failed; `failure` says which and why, `notebook` is as far as it got."""

    def __init__(self, failure: Failure, notebook: NotebookNode | None) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.notebook = notebook


def execute(
    notebook: NotebookNode,
    parameters: Mapping[str, str],
    *,
    cell_timeout: int = CELL_TIMEOUT,
    start_timeout: int = START_TIMEOUT,
    cwd: Path | None = None,
    progress: Progress | None = None,
    sections_may_end: bool = False,
) -> NotebookNode:
    """The notebook with the parameters put in and every cell executed.

    Parameters
    ----------
    notebook : NotebookNode
        Left as it is; a copy is executed.
    parameters : mapping of str to str
        Put into a cell of their own after the one tagged ``parameters``. Empty: none is added.
    cell_timeout, start_timeout : int
        Seconds that one cell may take, and that the kernel may take to start.
    cwd : Path, optional
        Folder the kernel works in; the current one by default.
    progress : callable, optional
        Called before each cell with the number of cells begun and the number of all.
    sections_may_end : bool
        A cell of a section that raises `NotEnoughData` or `TooManyGroups` ends its section, not
        the run: `crmlab.report.leave_out.cut_short` finds where.

    Returns
    -------
    NotebookNode

    Raises
    ------
    NotebookFailed
        If a cell raises, the kernel dies, or a cell exceeds its time twice.
    """
    limits = _Limits(cell_timeout, start_timeout, sections_may_end)
    try:
        return _attempt(notebook, parameters, limits, cwd, progress)
    except _Stalled:
        pass
    try:
        return _attempt(notebook, parameters, limits, cwd, progress)
    except _Stalled as stalled:
        raise NotebookFailed(stalled.failure, None) from stalled


def stop_kernels() -> None:
    """End every kernel this process has started and not yet ended."""
    with _lock:
        pids = list(_running)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))


class _Stalled(Exception):
    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass(frozen=True)
class _Limits:
    cell: int
    start: int
    sections_may_end: bool


class _Course:
    """What is noted while the cells of one run are executed."""

    def __init__(self, total: int, sections_may_end: bool, progress: Progress | None) -> None:
        self.begun: list[NotebookNode] = []
        self._total = total
        self._sections_may_end = sections_may_end
        self._progress = progress
        self._ended = ""

    def cell_starts(self, cell: NotebookNode, cell_index: int) -> None:
        self.begun.append(cell)
        if self._ended and section(cell) == self._ended:
            cell.metadata.setdefault("tags", []).append(_SKIP)
        else:
            self._ended = ""
        if self._progress:
            self._progress(cell_index, self._total)

    def cell_fails(
        self, cell: NotebookNode, cell_index: int, execute_reply: Mapping[str, Any]
    ) -> None:
        content = execute_reply["content"]
        if "raises-exception" in cell.metadata.get("tags", []):
            return
        if not (self._sections_may_end and section(cell) and content["ename"] in _ENDING):
            raise CellExecutionError.from_cell_and_msg(cell, content)
        self._ended = section(cell)
        end_section(cell, content["evalue"])


def _attempt(
    notebook: NotebookNode,
    parameters: Mapping[str, str],
    limits: _Limits,
    cwd: Path | None,
    progress: Progress | None,
) -> NotebookNode:
    # papermill logs what we say ourselves
    logging.getLogger("papermill").setLevel(logging.CRITICAL + 1)
    total = len(notebook.cells) + bool(parameters)
    course = _Course(total, limits.sections_may_end, progress)
    folder = Path(tempfile.mkdtemp(prefix="crmlab-"))
    unfinished = folder / "unfinished.ipynb"
    try:
        done = papermill.execute_notebook(
            notebook,
            # papermill formats the path like a string with fields
            str(unfinished).replace("{", "{{").replace("}", "}}"),
            parameters=dict(parameters) or None,
            kernel_name=_KERNEL_NAME,
            language="python",
            progress_bar=False,
            request_save_on_cell_execute=False,
            start_timeout=limits.start,
            execution_timeout=limits.cell,
            kernel_manager_class=_kernel_manager(cwd),
            record_timing=False,
            on_cell_start=course.cell_starts,
            on_cell_error=course.cell_fails,
            allow_error_names=list(_ENDING),
            skip_cells_with_tag=_SKIP,
        )
    except PapermillExecutionError as error:
        raise NotebookFailed(_failure(course.begun, _one_line(error)), _read(unfinished)) from error
    except CellTimeoutError as error:
        message = _("The cell took longer than {seconds} seconds.").format(seconds=limits.cell)
        raise _Stalled(_failure(course.begun, message)) from error
    except DeadKernelError as error:
        message = _("The kernel ended unexpectedly; perhaps memory ran out.")
        raise NotebookFailed(_failure(course.begun, message), None) from error
    except RuntimeError as error:
        if course.begun:
            raise
        message = _("The kernel did not start: {reason}").format(reason=error)
        raise _Stalled(_failure(course.begun, message)) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _close_loop()
    return _tidy(done)


def _close_loop() -> None:
    """Close the event loop that the Jupyter libraries made for this thread and leave open."""
    with contextlib.suppress(RuntimeError):
        asyncio.get_running_loop()
        return  # somebody else's
    loop = ensure_event_loop()
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
    asyncio.set_event_loop(None)


def _failure(begun: list[NotebookNode], message: str) -> Failure:
    if not begun:
        return Failure("", "", message)
    lines = begun[-1].source.strip().splitlines()
    return Failure(begun[-1].get("id", ""), lines[0] if lines else "", message)


def _one_line(error: PapermillExecutionError) -> str:
    said = [line.strip() for line in str(error.evalue).splitlines() if line.strip()]
    return f"{error.ename}: {said[0]}" if said else str(error.ename)


def _read(path: Path) -> NotebookNode | None:
    if not path.exists():
        return None
    marker = "papermill-error-cell-tag"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [
        cell for cell in notebook.cells if marker not in cell.metadata.get("tags", [])
    ]
    return _tidy(notebook)


def _tidy(notebook: NotebookNode) -> NotebookNode:
    """Without papermill's notes on times and paths, and with a readable id for the cell it adds."""
    notebook.metadata.pop("papermill", None)
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.id = "parameters-given"
        if not cell.metadata.get("tags"):
            cell.metadata.pop("tags", None)
    return notebook


# ---- the kernel

_running: set[int] = set()
_lock = threading.Lock()


class _PatientChannel(AsyncZMQSocketChannel):
    """A channel that looks again every half second, so that no message lies there unseen."""

    async def get_msg(self, timeout: float | None = None) -> dict[str, Any]:  # type: ignore[override]
        deadline = None if timeout is None else monotonic() + timeout
        while True:
            left = _POLL_SECONDS if deadline is None else deadline - monotonic()
            try:
                return await super().get_msg(timeout=max(0.0, min(_POLL_SECONDS, left)))
            except Empty:
                if deadline is not None and monotonic() >= deadline:
                    raise


class _PatientClient(AsyncKernelClient):
    shell_channel_class = Type(_PatientChannel)
    iopub_channel_class = Type(_PatientChannel)


class _OwnKernel(AsyncKernelManager):
    """A kernel of this environment, in a private folder, without the user's IPython profile."""

    kernel_cwd: Path | None = None

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        # a short path: the name of a socket may have about 100 characters
        self._folder = Path(tempfile.mkdtemp(prefix="crmlab-"))
        if sys.platform != "win32":
            self.transport = "ipc"
        else:
            self.transport_encryption = "auto"
        self.connection_file = str(self._folder / "k.json")

    @default("client_factory")
    def _client_factory_default(self) -> type[AsyncKernelClient]:
        return _PatientClient

    @property
    def kernel_spec(self) -> KernelSpec:
        if self._kernel_spec is None:
            self._kernel_spec = KernelSpec(
                resource_dir=RESOURCES, **get_kernel_dict([_SELDOM_COLLECT, _NO_HISTORY])
            )
        return self._kernel_spec

    async def start_kernel(self, **settings: Any) -> None:  # type: ignore[override]
        settings.setdefault("env", self._environment())
        # what cells print arrives as messages; the rest is the kernel's talk to itself
        settings.setdefault("stdout", subprocess.DEVNULL)
        settings.setdefault("stderr", subprocess.DEVNULL)
        if self.kernel_cwd is not None:
            settings.setdefault("cwd", str(self.kernel_cwd))
        await AsyncKernelManager.start_kernel(self, **settings)
        pid = getattr(self.provisioner, "pid", None)
        if pid:
            with _lock:
                _running.add(pid)
            self._pid = pid

    async def cleanup_resources(self, restart: bool = False) -> None:  # type: ignore[override]
        await AsyncKernelManager.cleanup_resources(self, restart=restart)
        with _lock:
            _running.discard(getattr(self, "_pid", -1))
        await _remove(self._folder)

    def _environment(self) -> dict[str, str]:
        own = {
            "IPYTHONDIR": str(self._folder / "ipython"),
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
            "PYTHONHASHSEED": "0",
        }
        return os.environ | own


async def _remove(folder: Path) -> None:
    """Remove a kernel's folder, also while the kernel is just taking its own files out of it."""
    for _attempt_number in range(10):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        await asyncio.sleep(0.1)


def _kernel_manager(cwd: Path | None) -> type[_OwnKernel]:
    return type("_OwnKernelHere", (_OwnKernel,), {"kernel_cwd": cwd})
