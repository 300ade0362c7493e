#!/usr/bin/env python3
"""go-module.py GO DIRECTORY MODULE VERSION PROGRAM...: a Go module from which programs of MODULE can be built.

A program that replaces modules in its go.mod cannot be built by `go install MODULE@VERSION`. This writes a
module that requires it and takes over its replacements; one by a directory of its repository becomes one by what
was released from that directory at the same time, of the same version, or v0.30.14 for Kubernetes' v1.30.14.
"""

import json
import os
import subprocess
import sys

go, directory, module, version, *programs = sys.argv[1:]


def output(*command):
    return json.loads(subprocess.run([go, *command], check=True, stdout=subprocess.PIPE).stdout)


theirs = output("mod", "edit", "-json", output("mod", "download", "-json", f"{module}@{version}")["GoMod"])
lines = ["module e2e", f"go {theirs['Go']}", f"require {module} {version}"]
for replace in theirs.get("Replace") or []:
    old, new = replace["Old"]["Path"], replace["New"]
    if new["Path"].startswith("."):
        new = {"Path": old, "Version": version.replace("v1.", "v0.", 1)}
    lines.append(f"replace {old} => {new['Path']} {new['Version']}")
os.makedirs(directory, exist_ok=True)
with open(f"{directory}/go.mod", "w", encoding="utf-8") as file:
    print(*lines, sep="\n", file=file)
with open(f"{directory}/programs.go", "w", encoding="utf-8") as file:
    print("//go:build programs\n\npackage programs\n", file=file)
    for program in programs:
        print(f'import _ "{module}/cmd/{program}"', file=file)
# With -e, because a test of a dependency may import what is not to be had.
subprocess.run([go, "mod", "tidy", "-e"], cwd=directory, check=True, env={**os.environ, "GOFLAGS": "-mod=mod"})
