"""Runs test files that are built already: run.py TARGETS NAME... [-- ARGUMENTS OF EACH]

TARGETS is what `cargo test --no-run --message-format=json` has said. Asking cargo to run one file
instead would let it choose the features of the dependencies for that file alone, and build half of
them again.
"""

import json
import os
import subprocess
import sys

targets_file, *names = sys.argv[1:]
arguments = []
if "--" in names:
    at = names.index("--")
    names, arguments = names[:at], names[at + 1 :]

targets = {}
with open(targets_file) as lines:
    for message in map(json.loads, lines):
        if message["reason"] == "compiler-artifact" and "test" in message["target"]["kind"]:
            package = os.path.dirname(message["manifest_path"])
            targets[message["target"]["name"]] = (package, message["executable"])

failed = []
for name in names:
    package, executable = targets[name]
    print("Running", os.path.join(package, "tests", name), flush=True)
    # What cargo sets for a test that it runs.
    environment = dict(os.environ, CARGO_MANIFEST_DIR=package)
    if subprocess.run([executable, *arguments], cwd=package, env=environment).returncode:
        failed.append(name)
sys.exit(f"failed: {', '.join(failed)}" if failed else 0)
