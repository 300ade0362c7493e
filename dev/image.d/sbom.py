#!/usr/bin/env python3
"""sbom.py NAME BASE.tar CRATES: the bill of materials of an image, SPDX 2.3 in JSON.

The Debian packages are those in the dpkg status of BASE.tar; CRATES has a line `name version licence` for
each crate that the driver is made of, as `cargo tree` prints them.
"""

import hashlib
import json
import os
import re
import sys
import tarfile
import time


def debian(base):
    """The installed packages, from paragraphs of `Field: value`."""
    for paragraph in base.split("\n\n"):
        field = dict(re.findall(r"^([A-Z][\w-]*): (.*)$", paragraph, re.MULTILINE))
        if field:
            name, version, arch = field["Package"], field["Version"], field["Architecture"]
            source, _, source_version = field.get("Source", name).partition(" ")
            yield package(
                f"deb-{name}-{arch}",
                name,
                version,
                f"pkg:deb/debian/{name}@{version.replace('+', '%2B')}?arch={arch}",
                sourceInfo=f"built from {source} {source_version.strip('()') or version}",
                supplier="Organization: " + re.sub(r" <.*", "", field["Maintainer"]),
            )


def crates(path):
    with open(path, encoding="utf-8") as file:
        for line in sorted(set(file)):
            name, version, licence = line.rstrip("\n").split(" ", 2)
            # The older way to write a choice.
            licence = licence.replace("/", " OR ")
            yield package(
                f"cargo-{name}-{version}", name, version, f"pkg:cargo/{name}@{version}", licenseDeclared=licence
            )


def package(key, name, version, purl, **more):
    return {
        "SPDXID": "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", key),
        "name": name,
        "versionInfo": version,
        "downloadLocation": "NOASSERTION",
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
        "filesAnalyzed": False,
        "externalRefs": [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}
        ],
        **more,
    }


def main():
    name, base, crates_path = sys.argv[1:]
    with tarfile.open(base) as tar:
        status = tar.extractfile("./var/lib/dpkg/status").read().decode()
    packages = [*debian(status), *crates(crates_path)]
    content = hashlib.sha256(json.dumps(packages).encode()).hexdigest()
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "documentNamespace": f"https://spdx.org/spdxdocs/{name}-{content}",
        "creationInfo": {
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(os.environ["SOURCE_DATE_EPOCH"]))),
            "creators": ["Tool: dev/image"],
        },
        "packages": packages,
        "relationships": [
            {
                "spdxElementId": "SPDXRef-DOCUMENT",
                "relationshipType": "DESCRIBES",
                "relatedSpdxElement": package["SPDXID"],
            }
            for package in packages
        ],
    }
    json.dump(document, sys.stdout, indent=1)
    print()


main()
