"""Writes an OCI image as one archive, which `ctr images import`, `podman load`, `skopeo` and `docker load` take.

The same input gives the same bytes: nothing is younger than SOURCE_DATE_EPOCH, and whatever tells of the
machine or the moment is left out.
"""

import gzip
import hashlib
import io
import json
import os
import tarfile
import time

EPOCH = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))


def entry(name, content=None, mode=None, link=None):
    """A member of a tar and its content: a directory if there is neither content nor link."""
    member = tarfile.TarInfo(name)
    member.mode = mode or (0o755 if content is None else 0o644)
    if link is not None:
        member.type, member.linkname = tarfile.SYMTYPE, link
    elif content is None:
        member.type = tarfile.DIRTYPE
    else:
        member.size = len(content)
    member.mtime = EPOCH
    return member, None if content is None else io.BytesIO(content)


class Layer:
    """A gzipped tar of (member, content) pairs, in the order in which they come."""

    def __init__(self, made_of, entries, level=9):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for member, content in entries:
                member.mtime = min(member.mtime, EPOCH)
                member.uname = member.gname = ""
                tar.addfile(member, content)
        self.made_of = made_of
        self.digest = "sha256:" + hashlib.sha256(out.getvalue()).hexdigest()
        self.packed = gzip.compress(out.getvalue(), level, mtime=0)


def write_image(path, reference, architecture, layers, config):
    """Writes the archive and returns the digest of the image's manifest."""
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(EPOCH))
    blobs = {}

    def blob(content, kind):
        digest = hashlib.sha256(content).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = content
        return {
            "mediaType": f"application/vnd.oci.image.{kind}",
            "digest": f"sha256:{digest}",
            "size": len(content),
        }

    image = {
        "created": created,
        "architecture": architecture,
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
        "history": [{"created": created, "created_by": layer.made_of} for layer in layers],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob(encoded(image), "config.v1+json"),
        "layers": [blob(layer.packed, "layer.v1.tar+gzip") for layer in layers],
    }
    described = {
        **blob(encoded(manifest), "manifest.v1+json"),
        "platform": {"architecture": architecture, "os": "linux"},
        "annotations": {
            "io.containerd.image.name": reference,
            "org.opencontainers.image.ref.name": reference.rpartition(":")[2],
        },
    }
    index = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [described],
    }
    blobs["index.json"] = encoded(index)
    blobs["oci-layout"] = encoded({"imageLayoutVersion": "1.0.0"})
    with tarfile.open(path + ".new", "w", format=tarfile.GNU_FORMAT) as archive:
        for name, content in sorted(blobs.items()):
            archive.addfile(*entry(name, content))
    os.rename(path + ".new", path)
    return described["digest"]


def encoded(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
