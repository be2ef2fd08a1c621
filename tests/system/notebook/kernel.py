"""A notebook and its kernel: executed as Jupyter does it, with every message that came for a cell kept in its order."""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import nbformat
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient

__all__ = ("Cell", "Kernel", "execute")

SOON = 30.0
"""Seconds after which a cell has failed: a kernel takes some to start on a loaded machine."""


class Cell(NamedTuple):
    """What came of a cell: what it printed, in the pieces in which it arrived, and what its last line showed."""

    pieces: list[str]
    shown: dict[str, Any]
    error: str

    @property
    def printed(self) -> str:
        """All that it printed."""
        return "".join(self.pieces)


class _Recorder(NotebookClient):
    """Keeps the messages: nbclient itself joins what a cell prints."""

    def __init__(self, notebook: Any, **options: Any) -> None:
        super().__init__(notebook, **options)
        self.messages: dict[int, list[dict[str, Any]]] = {}

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        self.messages.setdefault(cell_index, []).append(msg)
        return super().process_message(msg, cell, cell_index)


def execute(cells: list[str], folder: str) -> list[Cell]:
    """Run a notebook of these cells, as `jupyter execute` does: the first that fails ends it."""
    written = [nbformat.v4.new_code_cell(source) for source in cells]  # type: ignore[no-untyped-call]
    notebook = nbformat.v4.new_notebook(cells=written)  # type: ignore[no-untyped-call]
    client = _Recorder(notebook, timeout=SOON, kernel_name="python3", resources={"metadata": {"path": folder}})
    client.execute(env=environment())
    return [_cell(client.messages.get(index, [])) for index in range(len(cells))]


def environment() -> dict[str, str]:
    """This process's own, without anyone's keys and proxies."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.endswith(("_API_KEY", "_BASE_URL")) and not name.lower().endswith("_proxy")
    }


def _cell(messages: list[dict[str, Any]]) -> Cell:
    pieces: list[str] = []
    shown: dict[str, Any] = {}
    error = ""
    for message in messages:
        content = message["content"]
        if message["msg_type"] == "stream":
            pieces.append(content["text"])
        elif message["msg_type"] in ("execute_result", "display_data"):
            shown.update(content["data"])
        elif message["msg_type"] == "error":
            error = f"{content['ename']}: {content['evalue']}"
    return Cell(pieces, shown, error)


class Kernel:
    """A kernel to talk to while a cell is running."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self._manager = manager
        self._client = client

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Kernel]:
        """A kernel of its own."""
        manager = KernelManager(kernel_name="python3")
        manager.start_kernel(env=environment())
        client = manager.client()
        try:
            client.start_channels()
            client.wait_for_ready(timeout=SOON)
            yield cls(manager, client)
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
            manager.cleanup_resources()

    def start(self, source: str) -> str:
        """Begin a cell."""
        ident: str = self._client.execute(source)
        return ident

    def interrupt(self) -> None:
        """As the button does."""
        self._manager.interrupt_kernel()

    def until(self, ident: str, text: str) -> None:
        """Wait until the cell has printed this."""
        printed = ""
        for message in self._messages(ident):
            if message["msg_type"] == "stream":
                printed += message["content"]["text"]
                if text in printed:
                    return
        raise AssertionError(f"the cell ended, and printed {printed!r}")

    def finish(self, ident: str) -> Cell:
        """What came of the cell from here on, once it has ended."""
        return _cell(list(self._messages(ident)))

    def run(self, source: str) -> Cell:
        """Run a cell to its end."""
        return self.finish(self.start(source))

    def _messages(self, ident: str) -> Iterator[dict[str, Any]]:
        end = time.monotonic() + SOON
        while time.monotonic() < end:
            try:
                message = self._client.get_iopub_msg(timeout=1)
            except queue.Empty:
                continue
            if message["parent_header"].get("msg_id") != ident:
                continue
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return
            yield message
        raise AssertionError("the cell did not end")
