#!/usr/bin/env python3
"""go-module.py GO DIRECTORY MODULE@VERSION...: a Go module in which the programs of these modules can be built.

A program that replaces modules in its go.mod cannot be built by `go install MODULE@VERSION`. This writes a
module that requires it and takes over its replacements; one by a directory of its repository becomes one by what
was released from that directory at the same time, of the same version, or v0.30.14 for Kubernetes' v1.30.14.
Where several replace the same, the first one's replacement is for all, so that it is compiled once.
"""

import json
import os
import subprocess
import sys

go, directory, *modules = sys.argv[1:]


def output(*command):
    return json.loads(subprocess.run([go, *command], check=True, stdout=subprocess.PIPE).stdout)


theirs = {module: output("mod", "edit", "-json", output("mod", "download", "-json", module)["GoMod"]) for module in modules}
replaced = {}  # by path: path and version
for module, file in theirs.items():
    for replace in file.get("Replace") or []:
        old, new = replace["Old"]["Path"], replace["New"]
        path, version = new["Path"], new.get("Version")
        if path.startswith("."):
            path, version = old, module.rpartition("@")[2].replace("v1.", "v0.", 1)
        replaced.setdefault(old, f"{path} {version}")
newest = max((file["Go"] for file in theirs.values()), key=lambda go: [int(part) for part in go.split(".")])
lines = ["module e2e", f"go {newest}"]
lines += [f"require {module.replace('@', ' ')}" for module in modules]
lines += [f"replace {old} => {new}" for old, new in replaced.items()]
os.makedirs(directory, exist_ok=True)
with open(f"{directory}/go.mod", "w", encoding="utf-8") as file:
    print(*lines, sep="\n", file=file)
