"""The MLflow server on this machine's loopback, with the settings of a laptop.

MLflow's default starts a job runner with seven processes and about 1.1 GB; without it and with
one worker two processes and half of that remain.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

from features.errors import StormpetrelError, UsageError
from features.home import Home
from training.settings import load_settings
from training.track import init_tracking, own_uri

__all__ = ["HOST", "Server", "start_ui", "ui_command", "ui_environment"]

HOST = "127.0.0.1"
STARTUP_SECONDS = 180


def ui_command(home: Home, *, port: int = 5000) -> list[str]:
    """Command line of the server."""
    return [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--backend-store-uri",
        own_uri(home),
        "--artifacts-destination",
        str(home.mlruns / "artifacts"),
        "--host",
        HOST,
        "--port",
        str(port),
        "--workers",
        "1",
    ]


def ui_environment() -> dict[str, str]:
    """Environment of the server: no job runner, no telemetry, no look-up of model lists."""
    # a remote tracking address is for clients; this server reads the home
    kept = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    return kept | {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_MODEL_CATALOG_URI": "",
    }


@dataclass(frozen=True)
class Server:
    """A running server: its address, and its process."""

    address: str
    process: subprocess.Popen[bytes]

    def wait(self) -> int:
        """Block until the server ends; Ctrl-C ends it."""
        try:
            return self.process.wait()
        except KeyboardInterrupt:
            self.stop()
            return 0

    def stop(self) -> None:
        """End the server and wait for it."""
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start_ui(home: Home, *, port: int = 5000, quiet: bool = True) -> Server:
    """Start the server and return when it answers.

    Raises
    ------
    UsageError
        If the port is taken.
    StormpetrelError
        If the server ends, or does not answer within three minutes.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise UsageError(f"port {port} is taken. Choose another one with --port.") from error
    # the server must not race with the first migration of a new database
    init_tracking(home, load_settings(home), uri=own_uri(home))
    output = subprocess.DEVNULL if quiet else None
    process = subprocess.Popen(
        ui_command(home, port=port), env=ui_environment(), stdout=output, stderr=output
    )
    server = Server(f"http://{HOST}:{port}", process)
    deadline = time.monotonic() + STARTUP_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise StormpetrelError(
                f"the MLflow server ended with code {process.returncode}. Run it by hand to see "
                f"why: {' '.join(ui_command(home, port=port))}"
            )
        if _answers(server.address):
            return server
        time.sleep(0.5)
    server.stop()
    raise StormpetrelError(
        f"the MLflow server did not answer at {server.address} in {STARTUP_SECONDS} s. "
        "Try again on a less busy machine."
    )


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=2) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False
