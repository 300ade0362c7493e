#!/usr/bin/env python3
"""run.py --list | --all | NAME...: runs cases, each a file of `cases` with a function `run(t)`.

After each case Ceph has to be as it was before, and its namespace is gone. One that needs a newer Ceph says so by
`CEPH`, and is skipped without. The last line counts the cases.
"""

import ast
import importlib
import os
import sys
import time
import traceback
from datetime import datetime, timezone

# In order of worth: what is shown first is worth most.
CASES = "story shapes migrate expansion copies errors leader kinds events outages dryrun kernel groups".split()


def title(name):
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cases", f"{name}.py")
    with open(path, encoding="utf-8") as file:
        return ast.get_docstring(ast.parse(file.read())).splitlines()[0]


def main():
    if sys.argv[1:] == ["--list"]:
        for name in CASES:
            print(f"{name:12} {title(name)}")
        return 0
    chosen = CASES if sys.argv[1:] == ["--all"] else sys.argv[1:]
    unknown = [name for name in chosen if name not in CASES]
    if unknown:
        print(f"dev/e2e: there is no case {unknown[0]}; see dev/e2e --list", file=sys.stderr)
        return 2
    from setting import Setting

    setting = Setting()
    results = []
    for name in chosen:
        results.append(run(name, setting))
        if name == "story" and results[-1][1] == "FAILED":
            break  # nothing else can work
    print(f"\n{'case':12} {'result':8} {'seconds':>8}")
    for name, result, seconds, why in results:
        print(f"{name:12} {result:8} {seconds:8.1f}  {why}")
    counts = [sum(result == kind for _, result, _, _ in results) for kind in ("ok", "FAILED")]
    failed = counts[1]
    print(f"\n{counts[0]} passed, {failed} failed, {len(chosen) - sum(counts)} skipped", flush=True)
    return 1 if failed else 0


def run(name, setting):
    print(f"\n=== {name}, {clock()}: {title(name)}", flush=True)
    began = time.monotonic()
    case = importlib.import_module(f"cases.{name}")
    needed = getattr(case, "CEPH", 0)
    if int(os.environ["SPIRULA_TEST_CEPH_RELEASE"]) < needed:
        return name, "skipped", 0, f"needs Ceph {needed}"
    try:
        setting.run(name, case.run)
        return name, "ok", time.monotonic() - began, ""
    except Exception as error:  # whatever it is, the other cases are run
        seconds = time.monotonic() - began
        why = failed(error)
        setting.explain(name)
        if not os.environ.get("E2E_KEEP"):
            setting.tidy(name)
        return name, "FAILED", seconds, why


def failed(error):
    """Says what is wrong, when and where, for who looks into the logs next; a line of that."""
    from kube import Failed

    why = str(error) if isinstance(error, Failed) else f"{type(error).__name__}: {error}"
    print(f"\n  FAILED at {clock()}: {why}")
    if isinstance(error, Failed):
        for frame in traceback.extract_tb(error.__traceback__):
            if "/cases/" in frame.filename:
                print(f"    {os.path.relpath(frame.filename)}:{frame.lineno}, {frame.name}: {frame.line}")
    else:
        traceback.print_exception(error, file=sys.stdout)
    return why.splitlines()[0][:200]


def clock():
    """The time, as logs have it."""
    return datetime.now(timezone.utc).strftime("%H:%M:%S UTC")


sys.exit(main())
