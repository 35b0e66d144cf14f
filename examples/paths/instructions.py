#!/usr/bin/env python3
"""How many instructions each path of this example takes, and whether that is what is written down:

   python3 examples/paths/instructions.py
   python3 examples/paths/instructions.py --record --why "the index takes names without a copy"

Valgrind counts; seconds would differ from run to run by more than most changes do. A path is gone COUNT times in
one process and twice as often in another: the difference, divided by COUNT, is one turn without what makes it
ready. Red is a path whose figure in instructions.json beside this file is wrong by more than 3 %, whether it takes more now
or less; a path without a figure; a figure without its path. `--record` writes what was counted for these, and why
it has changed; what is within the 3 % stays as it is, so that many small steps cannot add up unseen.

Another compiler, C library, processor family or Valgrind is no change of ours: with any of them the table is shown,
nothing is red for its count, and it says so. `--record` then writes all figures.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import platform
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FIGURES = HERE / "instructions.json"
LIMIT = 0.03


def run(*words, **how):
    return subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True, **how).stdout


def tools():
    """What else decides about the figures."""
    return {
        "compiler": run("rustc", "-V").strip(),
        "libc": " ".join(platform.libc_ver()),
        "processor": platform.machine(),
        "valgrind": run("valgrind", "--version").strip(),
    }


def build():
    lines = run("cargo", "build", "--release", "--locked", "--example", "paths", "--message-format", "json").splitlines()
    for made in map(json.loads, lines):
        if made["reason"] == "compiler-artifact" and made["target"]["name"] == "paths" and made["executable"]:
            return made["executable"]
    sys.exit("cargo told of no program")


def counted(program, path, turns):
    # Nothing of the caller's environment: its size moves the stack.
    counting = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, "--once", path, str(turns)],
        cwd=ROOT, env={"PATH": os.environ["PATH"]}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )
    total = re.search(r"^==\d+== Collected : (\d+)$", counting.stderr, re.MULTILINE)
    if counting.returncode or not total:
        sys.exit(f"{path}: no count of {turns} turns\n{counting.stderr}")
    return int(total[1])


def per_turn(program, path, count):
    return round((counted(program, path, 2 * count) - counted(program, path, count)) / count)


def measure(program):
    """Instructions of one turn, by path."""
    paths = [line.split() for line in run(program, "--paths").splitlines()]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        figures = pool.map(lambda path: per_turn(program, path[0], int(path[1])), paths)
        return {name: figure for (name, _), figure in zip(paths, figures)}


def change(stored, found):
    return (found - stored) / stored


def show(figures, stored):
    print(f"{'path':<22}{'stored':>10}{'now':>10}")
    for path, found in figures.items():
        before = stored.get(path, {}).get("instructions")
        moved = f"{change(before, found):>+10.1%}" if before else ""
        print(f"{path:<22}{before or '-':>10}{found:>10}{moved}")


def faults(figures, stored):
    """What is wrong, by path."""
    for path, found in figures.items():
        if path not in stored:
            yield path, f"{path}: {found} instructions, and no figure is stored"
            continue
        before = stored[path]["instructions"]
        if change(before, found) > LIMIT:
            yield path, f"{path}: {found} instructions a turn, {before} are stored: find what costs more"
        elif change(before, found) < -LIMIT:
            yield path, f"{path}: {found} instructions a turn, {before} are stored: it is cheaper, lower the figure"
    for path in stored.keys() - figures.keys():
        yield path, f"{path}: a figure is stored, and there is no such path"


def record(figures, stored, wrong, used, why):
    kept = {path: stored[path] if path not in wrong else {"instructions": found, "why": why}
            for path, found in figures.items()}
    FIGURES.write_text(json.dumps({"tools": used, "paths": kept}, indent=2) + "\n")
    print(f"written anew: {', '.join(sorted(wrong)) or 'nothing'}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--record", action="store_true", help="write what was counted")
    parser.add_argument("--why", help="why the figures have changed")
    asked = parser.parse_args()
    if asked.record != bool(asked.why):
        parser.error("--record and --why TEXT go together")
    file = json.loads(FIGURES.read_text()) if FIGURES.exists() else {"tools": None, "paths": {}}
    stored, used = file["paths"], tools()
    figures = measure(build())
    show(figures, stored)
    wrong, same = dict(faults(figures, stored)), file["tools"] == used
    if asked.record:
        return record(figures, stored, wrong.keys() if same else figures.keys(), used, asked.why)
    if not same:
        print("NOT CHECKED: the figures were recorded with other tools, so that a difference may be theirs.",
              f"stored: {file['tools']}", f"here:   {used}",
              'Record them anew: python3 examples/paths/instructions.py --record --why "..."', sep="\n")
        # What is missing is no matter of tools.
        wrong = {path: text for path, text in wrong.items() if path not in figures or path not in stored}
    elif wrong:
        print('If it is meant: python3 examples/paths/instructions.py --record --why "..."')
    print(*wrong.values(), sep="\n", end="\n" if wrong else "")
    sys.exit(bool(wrong))


main()
