#!/usr/bin/env python3
"""static-image.py DIRECTORY REFERENCE PROGRAM [ARGUMENT]...: an image of one static program, which it starts.

Of busybox all commands are there, and a shell.
"""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "image.d"))
from oci import Layer, entry, write_image  # noqa: E402


def entries(program):
    name = os.path.basename(program)
    for directory in ("bin", "dev", "etc", "proc", "sys", "tmp"):
        yield entry(directory)
    with open(program, "rb") as file:
        yield entry(f"bin/{name}", file.read(), mode=0o755)
    if name == "busybox":
        applets = subprocess.run([program, "--list"], check=True, stdout=subprocess.PIPE, text=True).stdout
        for applet in applets.split():
            if applet != name:
                yield entry(f"bin/{applet}", link=name)


def main():
    directory, reference, program, *arguments = sys.argv[1:]
    name = os.path.basename(program)
    start = ["/bin/" + argument if i == 0 else argument for i, argument in enumerate(arguments)]
    config = {"Env": ["PATH=/bin"], "Entrypoint": start or ([] if name == "busybox" else [f"/bin/{name}"])}
    if name == "busybox" and not arguments:
        config["Cmd"] = ["/bin/sh"]
    path = os.path.join(directory, reference.replace("/", "-").replace(":", "-") + ".tar")
    # It is never sent anywhere, so hardly packed.
    write_image(path, reference, "amd64", [Layer(name, entries(program), level=1)], config)


main()
