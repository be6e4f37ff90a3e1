"""How the data room's answers look in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

__all__ = [
    "catalogue_table",
    "fetch_screen",
    "gain_text",
    "import_screen",
    "layouts_text",
    "plain_table",
    "records_table",
    "values_table",
]

_OUTCOME_STYLE = {
    "imported": "green",
    "unchanged": "dim",
    "skipped": "yellow",
    "refused": "bold red",
}


def plain_table(title: str) -> Table:
    """Start a table without lines."""
    return Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)


def gain_text(row: Mapping[str, Any]) -> Text:
    """Write a gain with its interval, green or red where that leaves zero out."""
    gain, low, high = row["gain"], row["gain_lo"], row["gain_hi"]
    if gain is None:
        return Text("·", style="dim")
    if low is None or high is None:
        return Text(f"{gain:+.3f}")
    style = "green" if low > 0 else "red" if high < 0 else "dim"
    return Text(f"{gain:+.3f} [{low:+.3f}, {high:+.3f}]", style=style)


def records_table(
    title: str, records: Sequence[Mapping[str, Any]], columns: Iterable[str] | None = None
) -> Table:
    """Draw records as a table; an absent value is a dot."""
    names = list(columns) if columns is not None else list(records[0]) if records else []
    table = plain_table(title)
    for name in names:
        numeric = any(isinstance(record.get(name), int | float) for record in records)
        table.add_column(name, justify="right" if numeric else "left")
    for record in records:
        table.add_row(*(_cell(record.get(name)) for name in names))
    return table


def _cell(value: Any) -> str:
    if value is None:
        return "·"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.4g}"
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)


def fetch_screen(report: Mapping[str, Any]) -> Table:
    """Show what became of each source, what came in, and which tables end too early now."""
    table = plain_table("sources")
    for name, justify in (("source", "left"), ("outcome", "left"), ("new", "right")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    table.add_column("remarks", overflow="fold")
    for one in report["sources"]:
        came = sum(counts["new"] + counts["revised"] for counts in one["tables"].values())
        remarks = [one["reason"]] if one["reason"] else []
        remarks += [
            f"stale: {name}, " + (f"last {last}" if last else "which is empty")
            for name, last in one["stale"].items()
        ]
        table.add_row(one["source"], one["outcome"], f"{came:,}", "\n".join(remarks))
    return table


def import_screen(report: Mapping[str, Any]) -> Group:
    """Show what an import took, skipped and refused, and what changed in the store."""
    files = plain_table("files")
    for name, justify in (("file", "left"), ("outcome", "left"), ("lines", "right")):
        files.add_column(name, justify=justify)  # type: ignore[arg-type]
    files.add_column("remarks", overflow="fold")
    for file in report["files"]:
        remarks = [file["reason"]] if file["reason"] else []
        remarks += [f"{count:,} left out: {rule}" for rule, count in file["left_out"].items()]
        if file["quarantined"]:
            remarks.append(f"{len(file['quarantined']):,} bad rows quarantined")
        outcome = Text(file["outcome"], style=_OUTCOME_STYLE.get(file["outcome"], ""))
        files.add_row(file["file"], outcome, f"{file['lines']:,}", "; ".join(remarks))
    counts = [{"table": name, **count} for name, count in report["tables"].items()]
    closing = "" if report["changed"] else "Nothing new: the store is as it was."
    return Group(files, Text(), records_table("store", counts), Text(closing))


def layouts_text(layouts: Sequence[Mapping[str, Any]], formats: Sequence[Mapping[str, Any]]) -> str:
    """Describe the files and venue formats that an import reads."""
    lines = ["FILES that `stormpetrel import DIR` knows by name", ""]
    for layout in layouts:
        lines += [layout["file"], f"  {layout['about']}"]
        lines += [
            f"    {column['name']:<24} {column['kind']:<8} {column['unit'] or ''}"
            + ("  (optional)" if column.get("optional") else "")
            for column in layout["columns"]
        ]
        lines += [f"  known from: {name}: {rule}" for name, rule in layout["available"].items()]
        if layout["not_stored"]:
            lines.append(f"  not stored: {layout['not_stored']}")
        lines.append("")
    lines += ["FORMATS that `stormpetrel import --format NAME FILE...` reads", ""]
    for one in formats:
        lines.append(f"  {one.get('name', ''):<28} {one.get('about', '')}")
        lines.append(f"  {'':<28} verified: {one.get('verified', '')}")
    return "\n".join(lines)


def catalogue_table(features: Sequence[Mapping[str, Any]]) -> Table:
    """List features with their group, unit and definition."""
    rows = [dict(row, training=row["training"].removeprefix("counts: ")) for row in features]
    columns = ("group", "name", "unit", "training", "definition")
    return records_table(f"{len(features)} features", rows, columns)


def values_table(document: Mapping[str, Any]) -> Table:
    """Show the feature values of one session and moment."""
    rows = [{"feature": name, "value": value} for name, value in document["features"].items()]
    title = f"{document['session']} {document['at']}, cut-off {document['cutoff']}"
    return records_table(title, rows, ("feature", "value"))
