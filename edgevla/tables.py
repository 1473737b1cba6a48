"""What the commands print: tables of reports, and one line for a failure."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

console = Console(width=None if sys.stdout.isatty() else 140)


def fail(message: str) -> None:
    """One line on stderr."""
    Console(stderr=True).print(f"[bold red]error[/] {escape(message)}", soft_wrap=True, highlight=False)


def print_run(results: dict[str, Any]) -> None:
    """The figures of a run: ticks, stages, bounds."""
    ticks, policy = results["ticks"], results["policy_ms"]
    table = Table("", "p50", "p99", "max", box=None, padding=(0, 2))
    rows = {
        "tick lateness, us": ticks["lateness_us"],
        "tick work, us": ticks["work_us"],
        "waiting for the wire, us": ticks["wire_us"],
        "picture to chunk, ms": policy["total"],
        "picture to first command, ms": results["command_age_ms"],
    }
    for name, values in rows.items():
        table.add_row(name, *("-" if value is None else f"{value:.0f}" for value in values.values()))
    console.print(table)
    bounds = results["bounds"]
    console.print(
        f"{ticks['count']} ticks at {ticks['rate_hz']:.2f} Hz, {ticks['missed']} missed, scheduler "
        f"{results['realtime']['scheduler']}; bounds: {bounds.get('limited')} ticks limited, "
        f"{bounds.get('held')} held, {bounds.get('blocked')} blocked",
        highlight=False,
    )


def print_eval(results: dict[str, Any]) -> None:
    """Success by instruction, with intervals."""
    table = Table("instruction", "success", "of", "95 % interval", box=None, padding=(0, 2))
    for sentence, rate in {**results["per_instruction"], "all": results}.items():
        low, high = rate["ci95"]
        table.add_row(sentence, str(rate["successes"]), str(rate["episodes"]), f"{low:.1%} .. {high:.1%}")
    console.print(table)


def print_latency(results: dict[str, Any]) -> None:
    """Quantiles of every measured stage."""
    names = {"glass_to_motor_ms": "glass to motor, ms", "serial_rtt_us": "serial round trip, us"}
    rows = {name: results[key] for key, name in {**names, "tick_lateness_us": "tick lateness, us"}.items()}
    rows |= {f"{stage.replace('_', ' ')}, ms": values for stage, values in results["policy_ms"].items()}
    table = Table("", "p50", "p95", "p99", "p99.9", "max", "n", box=None, padding=(0, 2))
    for name, values in rows.items():
        figures = ("-" if values[key] is None else f"{values[key]:.4g}" for key in ("p50", "p95", "p99", "p999", "max"))
        table.add_row(name, *figures, str(values["n"]))
    console.print(table)
    warm_up = ", ".join(f"{count} {what.replace('_', ' ')}" for what, count in results["warm_up"].items())
    unanswered = ", ".join(f"{count} {what}" for what, count in results["unanswered"].items())
    ticks = f"{results['ticks']['missed']} of {results['ticks']['count']} ticks missed"
    console.print(
        f"{results['rounds']} rounds; left out to warm up: the first {warm_up}; unanswered: {unanswered}; {ticks}, "
        f"scheduler {results['realtime'].get('scheduler')}",
        highlight=False,
    )


_TIMES = ("detected_ms", "ended_ms", "stopped_ms")


def print_faults(results: dict[str, Any]) -> None:
    """One line a fault."""
    table = Table("fault", "detected, ms", "over, ms", "stopped, ms", "excursion", "mode", "", box=None, padding=(0, 2))
    for cell in results["cells"]:
        figures = ("-" if cell[key] is None else f"{cell[key]:.0f}" for key in _TIMES)
        excursion = "-" if cell["excursion"] is None else f"{cell['excursion']:.3f}"
        verdict = "[red]not as expected[/]" if cell["problems"] else "[green]as expected[/]"
        table.add_row(escape(cell["fault"]), *figures, excursion, cell["mode"], verdict)
    console.print(table)
    if results["skipped"]:
        console.print(f"skipped, only the simulated robot plays them: {'; '.join(results['skipped'])}", highlight=False)


def print_table(title: str, rows: list[dict[str, Any]]) -> None:
    """Rows that share their keys, as one table."""
    if not rows:
        return
    table = Table(*rows[0], title=title, title_justify="left", box=None, padding=(0, 2))
    for row in rows:
        table.add_row(*(escape(str(value)) for value in row.values()))
    console.print(table)
