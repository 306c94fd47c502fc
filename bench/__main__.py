"""The performance suite: `python -m bench [NAME …]` measures, prints, keeps the results, and writes docs/performance.md."""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path

import uvloop
from rich.console import Console

from bench.suite.report import ORDER, keep, tell, write_page
from bench.suite.rounds import measure
from bench.suite.shape import Benchmark
from shared.log import set_up_logging


def benchmarks() -> list[str]:
    """The names of all benchmarks: every module beside this one, in the order of the page."""
    names = [file.stem for file in Path(__file__).parent.glob("[a-z]*.py")]
    return sorted(names, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))


def main() -> None:
    parser = argparse.ArgumentParser(prog="tenantry bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of: {', '.join(benchmarks())}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="how long one round of one contender lasts")
    parser.add_argument("--dry", action="store_true", help="only print; keep and write nothing")
    given = parser.parse_args()
    if unknown := sorted(set(given.names) - set(benchmarks())):
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(benchmarks())}")
    set_up_logging(level="error", readable=True)
    console = Console()
    failed = []
    for name in given.names or benchmarks():
        benchmark: Benchmark = import_module(f"bench.{name}").BENCHMARK
        try:
            with console.status(name) as status:
                result = uvloop.run(measure(name, benchmark, given.rounds, given.seconds, status.update))
        except Exception:
            console.print_exception()
            failed.append(name)
            continue
        tell(result, console)
        if not given.dry:
            keep(result)
    if not given.dry:
        write_page()
    if failed:
        raise SystemExit(f"These couldn't be measured: {', '.join(failed)}")


if __name__ == "__main__":
    main()
