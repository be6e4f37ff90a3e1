"""The engines that can run the tape's one expression: DuckDB in this process, or Spark."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from features.errors import UsageError

__all__ = ["ENGINES", "MEMORY_LIMIT", "check_engine", "connect", "scan"]

ENGINES = ("duckdb", "spark")
# above it DuckDB spills to disk, so that a year of tape needs no more memory than a week
MEMORY_LIMIT = "1500MB"


def connect(
    engine: str = "duckdb", *, memory_limit: str = MEMORY_LIMIT, spill: Path | None = None
) -> Any:
    """Open an ibis backend.

    Parameters
    ----------
    engine : {"duckdb", "spark"}
        ``spark`` runs locally unless ``SPARK_MASTER`` names a cluster.
    memory_limit : str
        DuckDB's limit, as it writes it.
    spill : Path, optional
        Folder for what does not fit.

    Raises
    ------
    UsageError
        If the engine is unknown, or its package is not installed.
    """
    check_engine(engine)
    import ibis

    if engine == "duckdb":
        options = {"memory_limit": memory_limit, "preserve_insertion_order": "false"}
        if spill is not None:
            options["temp_directory"] = str(spill)
        return ibis.duckdb.connect(**options)
    from pyspark.sql import SparkSession

    # hours must not shift with the machine's zone
    os.environ["TZ"] = "UTC"
    session = (
        SparkSession.builder.master(os.environ.get("SPARK_MASTER", "local[2]"))
        .appName("stormpetrel-tape")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", os.environ.get("SPARK_PARTITIONS", "8"))
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "localhost")
        .config("spark.sql.ansi.enabled", "true")
        .getOrCreate()
    )
    return ibis.pyspark.connect(session)


def check_engine(engine: str) -> None:
    """Refuse an engine that cannot run here, before anything is written.

    Raises
    ------
    UsageError
        If it is unknown, or its package is not installed.
    """
    if engine not in ENGINES:
        raise UsageError(f"no engine {engine!r}. Expected one of {list(ENGINES)}.")
    if engine == "spark" and find_spec("pyspark") is None:
        raise UsageError(
            "engine 'spark' needs pyspark and Java: install stormpetrel[spark] and a Java runtime."
        )


def scan(connection: Any, paths: list[Path]) -> Any:
    """Read Parquet files of events as one table of the backend."""
    names = [str(path) for path in paths]
    if connection.name == "pyspark":
        frame = connection._session.read.parquet(*names)
        frame.createOrReplaceTempView("tape_events")
        return connection.table("tape_events")
    return connection.read_parquet(names)
