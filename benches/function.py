#!/usr/bin/env python3
"""Our whole tool chain for one function beside esbuild bundling it alone, in turn.

    benches/function.py [--function qdn-track-rewrite] [--runs 20]

`qdn function test NAME --again` is one process that reads the project, checks the function by every rule, reads the site's aliases,
bundles, lowers and minifies it, reads the result once more, and runs all its cases. Without `--again` it does so only where anything
has changed that this depends on; here nothing has, which is a row of its own. esbuild (from npm, at the version below) remembers
nothing, bundles and minifies the same file and does nothing else; the aliases are left out of it. Figures are of whole processes,
children included: wall seconds, and CPU seconds as user plus system time. Node.js starts esbuild where npm's script is what
people type; that is a row of its own, and the ratio is to esbuild's own program. QDN=PATH names another qdn to measure.
"""
import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ESBUILD = "0.28.2"
ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "target" / "bench"


def run(command):
    """(wall seconds, CPU seconds) of one process."""
    started = time.perf_counter()
    with open(os.devnull, "wb") as nothing:
        process = subprocess.Popen(command, cwd=ROOT, stdout=nothing, stderr=subprocess.PIPE)
        complaint = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - started
    if process.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} ended with {process.returncode}:\n{complaint.decode()[-2000:]}")
    return wall, usage.ru_utime + usage.ru_stime


def esbuild():
    """esbuild's own program, and the script that npm puts in front of it."""
    folder = WORK / f"esbuild-{ESBUILD}"
    packages = folder / "node_modules"
    if not packages.exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text("{}")
        install = ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", "--ignore-scripts", f"esbuild@{ESBUILD}"]
        subprocess.check_call(install, cwd=folder)
    programs = sorted((packages / "@esbuild").glob("*/bin/esbuild"))
    if not programs:
        sys.exit("npm brought no esbuild for this machine")
    return programs[0], packages / "esbuild" / "bin" / "esbuild"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--function", default="qdn-track-rewrite")
    parser.add_argument("--runs", type=int, default=20)
    arguments = parser.parse_args()
    qdn = os.environ.get("QDN")
    if qdn is None:
        subprocess.check_call(["cargo", "build", "--release", "--quiet", "--bin", "qdn"], cwd=ROOT)
        qdn = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "qdn"
    native, script = esbuild()
    source = f"functions/{arguments.function}.js"
    bundle = ["--bundle", "--minify", "--format=esm", "--external:qdn:*", "--external:cloudfront", source]
    commands = {
        "qdn: check, build, all cases": [qdn, "function", "test", arguments.function, "--again"],
        "qdn: the same, and nothing has changed": [qdn, "function", "test", arguments.function],
        "qdn: check and build": [qdn, "function", "build", arguments.function],
        "esbuild: bundle": [native, *bundle],
        "esbuild by npm's script: bundle": ["node", script, *bundle],
    }
    figures = {name: [] for name in commands}
    for turn in range(arguments.runs + 1):
        for name, command in commands.items():
            figure = run(command)
            # The first turn only warms the disk.
            if turn > 0:
                figures[name].append(figure)
    print("| what | wall ms | CPU ms |\n|---|---|---|")
    for name, found in figures.items():
        cells = []
        for at in (0, 1):
            values = [figure[at] * 1000 for figure in found]
            cells.append(f"{statistics.median(values):.1f} [{min(values):.1f}–{max(values):.1f}]")
        print(f"| {name} | {cells[0]} | {cells[1]} |")
    for own in [name for name in commands if name.startswith("qdn")]:
        for name in [name for name in commands if name.startswith("esbuild")]:
            ratios = [[their[at] / our[at] for our, their in zip(figures[own], figures[name])] for at in (0, 1)]
            wall, cpu = (f"×{statistics.median(values):.2f} [{min(values):.2f}–{max(values):.2f}]" for values in ratios)
            print(f"\n{name} / {own}: wall {wall}, CPU {cpu}")


if __name__ == "__main__":
    main()
