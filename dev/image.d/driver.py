#!/usr/bin/env python3
"""driver.py OUTPUT REFERENCE ARCHITECTURE BASE.tar BINARY SBOM: the image of the driver.

Two layers, so that a new driver leaves the larger one as it was: what is needed of Debian, and the driver.
"""

import copy
import sys
import tarfile

from oci import Layer, entry, write_image

# What a running driver has no use for. The status of dpkg stays: scanners read there what is installed.
LEFT_OUT = """
dev boot etc/apt etc/cron.daily etc/hostname etc/logrotate.d etc/machine-id etc/resolv.conf lib/systemd
usr/bin/python3* usr/lib/*/gconv usr/lib/apt usr/lib/python3* usr/lib/systemd usr/share/bash-completion
usr/share/bug usr/share/info usr/share/lintian usr/share/locale usr/share/man usr/share/python3
usr/share/zoneinfo var/cache var/lib/apt var/lib/dpkg/info var/lib/dpkg/status-old var/log
"""
USER = 65532


def left_out(name):
    parts = name.split("/")
    # Of the documentation the licences stay.
    if name.startswith("usr/share/doc/") and len(parts) > 4:
        return parts[4:] != ["copyright"]
    return any(under(parts, pattern.split("/")) for pattern in LEFT_OUT.split())


def under(parts, pattern):
    """Whether a path is, or is below, what a pattern names; a `*` stands for the rest of a name."""
    if len(parts) < len(pattern):
        return False
    return all(p == w or w.endswith("*") and p.startswith(w[:-1]) for p, w in zip(parts, pattern))


def debian(tar):
    members = {}
    for original in tar.getmembers():
        member = copy.copy(original)
        member.name = member.name.removeprefix("./")
        if member.name not in ("", ".") and not left_out(member.name):
            members[member.name] = member
    # A hard link has to come after what it is a link to.
    for member in sorted(members.values(), key=lambda m: (m.islnk(), m.name)):
        if member.islnk():
            member.linkname = member.linkname.removeprefix("./")
        yield member, tar.extractfile(member) if member.isfile() else None


def driver(base, binary, sbom):
    def text(name):
        return base.extractfile("./" + name).read().decode()

    # Nobody logs in: base-passwd has `*` for each password.
    users = text("usr/share/base-passwd/passwd.master") + f"spirula:x:{USER}:{USER}::/:/usr/sbin/nologin\n"
    groups = text("usr/share/base-passwd/group.master") + f"spirula:x:{USER}:\n"
    yield entry("etc/ceph")
    yield entry("etc/group", groups.encode())
    yield entry("etc/passwd", users.encode())
    yield entry("usr/local/bin/cephcsi", link="spirula")
    yield entry("usr/local/bin/spirula", read(binary), mode=0o755)
    yield entry("usr/share/doc/spirula")
    yield entry("usr/share/doc/spirula/sbom.spdx.json", read(sbom))


def read(path):
    with open(path, "rb") as file:
        return file.read()


def main():
    output, reference, architecture, base_path, binary, sbom = sys.argv[1:]
    with tarfile.open(base_path) as base:
        layers = [Layer("Debian packages", debian(base)), Layer("spirula", driver(base, binary, sbom))]
    config = {
        "Entrypoint": ["/usr/local/bin/cephcsi"],
        "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        "Labels": {
            "org.opencontainers.image.title": "spirula",
            "org.opencontainers.image.version": reference.rpartition(":")[2],
            "org.opencontainers.image.licenses": "Apache-2.0",
        },
    }
    digest = write_image(output, reference, architecture, layers, config)
    sizes = [len(layer.packed) / 1e6 for layer in layers]
    print(f"{reference} {architecture} {digest}")
    print(f"  {sum(sizes):.1f} MB compressed: {sizes[0]:.1f} of Debian, {sizes[1]:.1f} of the driver")


main()
