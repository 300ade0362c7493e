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

# In order of worth: what is shown first is worth most.
CASES = "story shapes expansion copies errors leader kinds events outages dryrun kernel groups".split()


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
    print(f"\n=== {name}: {title(name)}", flush=True)
    began = time.monotonic()
    case = importlib.import_module(f"cases.{name}")
    needed = getattr(case, "CEPH", 0)
    if int(os.environ["SPIRULA_TEST_CEPH_RELEASE"]) < needed:
        return name, "skipped", 0, f"needs Ceph {needed}"
    try:
        setting.run(name, case.run)
        result, why = "ok", ""
    except Exception as error:  # whatever it is, the other cases are run
        traceback.print_exc()
        setting.explain(name)
        result, why = "FAILED", str(error).splitlines()[0][:200]
    return name, result, time.monotonic() - began, why


sys.exit(main())
