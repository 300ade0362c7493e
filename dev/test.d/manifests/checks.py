"""What has to hold in everything that is applied."""

import re
import subprocess

from chart import cases
from tools import CHART, DEPLOY, DRIVER, ROOT, helm, kustomize, kustomize_with, name, output, parse, pods

OVERLAYS = [".", "compact", "site", "monitoring", "openshift"]

# What the names of ceph-csi's objects are: the reason why ours can take their place.
ORIGINAL = """
CSIDriver/cephfs.csi.ceph.com
ServiceAccount/cephfs-csi-provisioner
ClusterRole/cephfs-external-provisioner-runner
ClusterRoleBinding/cephfs-csi-provisioner-role
Role/cephfs-external-provisioner-cfg
RoleBinding/cephfs-csi-provisioner-role-cfg
Deployment/csi-cephfsplugin-provisioner
Service/csi-cephfsplugin-provisioner
ServiceAccount/cephfs-csi-nodeplugin
ClusterRole/cephfs-csi-nodeplugin
ClusterRoleBinding/cephfs-csi-nodeplugin
DaemonSet/csi-cephfsplugin
Service/csi-metrics-cephfsplugin
""".split()
SELECTORS = {
    "Deployment/csi-cephfsplugin-provisioner": {"app": "csi-cephfsplugin-provisioner"},
    "DaemonSet/csi-cephfsplugin": {"app": "csi-cephfsplugin"},
}
# Read by the driver, and made by an administrator: docs/install.md.
DOCUMENTED = {
    "ConfigMap/ceph-csi-config",
    "ConfigMap/ceph-config",
    "ConfigMap/ceph-csi-encryption-kms-config",
    "Secret/csi-cephfs-secret",
}


def run(failures):
    for overlay in OVERLAYS:
        objects = kustomize(overlay)
        title = f"kustomize {overlay}"
        everything(failures, title, objects)
        if overlay in (".", "compact"):
            names = sorted(map(name, objects))
            failures.check(f"{title}: the names of ceph-csi", differing(names, sorted(ORIGINAL)))
            failures.check(f"{title}: the selectors of ceph-csi", selectors(objects))
    for overlay in (".", "compact"):
        everything(failures, f"kustomize {overlay} with metrics", kustomize_with(overlay, "metrics"))
    failures.check("kustomize monitoring: the Services that are scraped", scraped())
    everything(failures, "helm", parse(output(helm())))
    everything(failures, "helm, compact", parse(output(helm("compact: true"))))
    everything(failures, "helm, more flags", parse(output(helm(cases()["rendered"]["more-flags"]))))
    failures.check("kustomize openshift: kinds of volumes", forbidden())
    examples(failures)


def everything(failures, title, objects):
    failures.check(f"{title}: flags", flags(objects))
    failures.check(f"{title}: references", references(objects))
    failures.check(f"{title}: volumes", volumes(objects))
    failures.check(f"{title}: services", services(objects))
    failures.check(f"{title}: the driver's metrics", driver_metrics(objects))
    failures.check(f"{title}: privileges", privileges(objects))
    failures.check(f"{title}: strategy", strategy(objects))


def differing(have, want):
    return [f"have {have}, want {want}"] if have != want else []


def selectors(objects):
    have = {name(obj): obj["spec"]["selector"]["matchLabels"] for obj in objects if name(obj) in SELECTORS}
    return differing(have, SELECTORS)


def flags(objects):
    """Each command line of the driver is one that it takes."""
    for owner, _, spec in pods(objects):
        for container in spec["containers"]:
            if "spirula" not in container["image"]:
                continue
            env = {entry["name"]: entry.get("value", "1") for entry in container["env"]}
            args = [re.sub(r"\$\((\w+)\)", lambda of: env[of[1]], arg) for arg in container["args"]]
            # With --version flags and values are read, and nothing is started.
            answer = subprocess.run([DRIVER, *args, "--version"], capture_output=True, text=True, timeout=60)
            if answer.returncode:
                yield f"{owner}, {container['name']}: {answer.stderr.strip()}"


def references(objects):
    """Whatever is named is there, or is documented as an administrator's."""
    there = {name(obj) for obj in objects} | DOCUMENTED
    for obj in objects:
        for named in named_by(obj):
            if named not in there:
                yield f"{name(obj)}: there is no {named}"


def named_by(obj):
    role = obj.get("roleRef")
    if role:
        yield f"{role['kind']}/{role['name']}"
    for subject in obj.get("subjects", []):
        yield f"{subject['kind']}/{subject['name']}"
    for _, _, spec in pods([obj]):
        if "serviceAccountName" in spec:
            yield f"ServiceAccount/{spec['serviceAccountName']}"
        for volume in spec["volumes"]:
            if "configMap" in volume:
                yield f"ConfigMap/{volume['configMap']['name']}"
            if "secret" in volume:
                yield f"Secret/{volume['secret']['secretName']}"
    for key, value in (obj.get("parameters") or {}).items():
        if key.endswith("-secret-name"):
            yield f"Secret/{value}"


def volumes(objects):
    """Each mount has its volume, each volume a mount, and each container the socket."""
    for owner, _, spec in pods(objects):
        have = {volume["name"] for volume in spec["volumes"]}
        mounted = {mount["name"] for of in spec["containers"] for mount in of["volumeMounts"]}
        if have != mounted:
            yield f"{owner}: volumes {sorted(have)}, mounted {sorted(mounted)}"
        for container in spec["containers"]:
            if "/csi" not in [mount["mountPath"] for mount in container["volumeMounts"]]:
                yield f"{owner}: {container['name']} has no socket"


def services(objects):
    """Each Service leads to a port on which a container serves metrics."""
    for obj in objects:
        if obj["kind"] != "Service":
            continue
        selector = obj["spec"]["selector"]
        ports = set()
        for _, metadata, spec in pods(objects):
            if selector.items() <= metadata["labels"].items():
                args = [arg for container in spec["containers"] for arg in container["args"]]
                ports |= {int(arg.partition("=")[2]) for arg in args if arg.startswith("--metricsport=")}
        wanted = {port["targetPort"] for port in obj["spec"]["ports"]}
        if ports != wanted:
            yield f"{name(obj)} leads to {wanted}, metrics are on {ports}"


def driver_metrics(objects):
    """Where the driver shows its own metrics, the port has the name by which it is scraped."""
    for owner, _, spec in pods(objects):
        for container in spec["containers"]:
            args = [arg for arg in container["args"] if arg.startswith("--metrics-listen=")]
            listens = [int(arg.rpartition(":")[2]) for arg in args]
            ports = container.get("ports", [])
            named = [port["containerPort"] for port in ports if port["name"] == "driver-metrics"]
            if listens != named:
                yield f"{owner}, {container['name']}: listens on {listens}, names {named}"


def privileges(objects):
    """Only the node plugin is privileged, and no rule has a wildcard."""
    for owner, _, spec in pods(objects):
        for container in spec["containers"]:
            context = container["securityContext"]
            if owner.startswith("Deployment/"):
                if context.get("privileged") or context.get("allowPrivilegeEscalation") is not False:
                    yield f"{owner}: {container['name']} may get privileges"
                if not spec["securityContext"].get("runAsNonRoot"):
                    yield f"{owner} may run as root"
    for obj in objects:
        for rule in obj.get("rules") or []:
            if "*" in rule["verbs"] + rule["resources"] + rule["apiGroups"]:
                yield f"{name(obj)}: {rule}"


def scraped():
    """Ours, and none of ceph-csi's for other kinds of volumes, which may be in the same namespace."""
    (monitor,) = [obj for obj in kustomize("monitoring") if obj["kind"] == "ServiceMonitor"]
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    services = [obj for obj in kustomize(".") if obj["kind"] == "Service"]
    yield from differing([name(obj) for obj in services if wanted <= obj["metadata"]["labels"].items()], list(map(name, services)))
    if wanted <= {"app": "csi-metrics"}.items():
        yield "those of other drivers too"


def forbidden():
    """Volumes that OpenShift would not let the pods have: ours, and those that docs/configuration.md tells of."""
    (scc,) = [obj for obj in kustomize("openshift") if obj["kind"] == "SecurityContextConstraints"]
    objects = [*kustomize("."), *kustomize("compact"), *parse(output(helm(cases()["rendered"]["more-flags"])))]
    for owner, _, spec in pods(objects):
        for volume in spec["volumes"]:
            if not volume.keys() - {"name"} <= set(scc["volumes"]):
                yield f"{owner}: {volume}"


def strategy(objects):
    """An update takes an old pod away first, which may be one of ceph-csi's that lets no new one be on its node."""
    for obj in objects:
        if obj["kind"] == "Deployment":
            have = obj["spec"].get("strategy", {}).get("rollingUpdate", {}).get("maxUnavailable")
            yield from differing(have, 1)


def examples(failures):
    files = sorted((DEPLOY / "examples").glob("*.yaml"))
    objects = [obj for file in files for obj in parse(file.read_text())]
    site = kustomize("site")
    there = {name(obj) for obj in objects + site}

    def wrong():
        for obj in objects:
            for named in [*named_by(obj), *used_by(obj)]:
                if named not in there:
                    yield f"{name(obj)}: there is no {named}"

    failures.check("examples: references", wrong())
    listed = (DEPLOY / "examples" / "README.md").read_text()
    failures.check("examples: listed", [file.name for file in files if f"({file.name})" not in listed])
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("deploy/**/*.md"), CHART / "README.md"]
    for page in sorted(pages):
        failures.check(f"{page.relative_to(ROOT)}: links", dead_links(page))
    failures.check("docs/parity.md: tests", unshown(ROOT / "docs" / "parity.md"))


def used_by(obj):
    """What a user's object names."""
    spec = obj.get("spec", {})
    pod = spec.get("template", {}).get("spec", spec)
    claims = [spec]
    for volume in pod.get("volumes", []):
        if "persistentVolumeClaim" in volume:
            yield f"PersistentVolumeClaim/{volume['persistentVolumeClaim']['claimName']}"
        if "ephemeral" in volume:
            claims.append(volume["ephemeral"]["volumeClaimTemplate"]["spec"])
    for claim in claims:
        if claim.get("storageClassName"):
            yield f"StorageClass/{claim['storageClassName']}"
        if "dataSource" in claim:
            yield f"{claim['dataSource']['kind']}/{claim['dataSource']['name']}"
    if obj["kind"] == "PersistentVolumeClaim" and "volumeName" in spec:
        yield f"PersistentVolume/{spec['volumeName']}"
    if "nodeStageSecretRef" in spec.get("csi", {}):
        yield f"Secret/{spec['csi']['nodeStageSecretRef']['name']}"
    for kind in ("VolumeSnapshot", "VolumeGroupSnapshot"):
        if obj["kind"] == kind:
            field = kind[0].lower() + kind[1:] + "ClassName"
            yield f"{kind}Class/{spec[field]}"
    if "persistentVolumeClaimName" in spec.get("source", {}):
        yield f"PersistentVolumeClaim/{spec['source']['persistentVolumeClaimName']}"


def dead_links(page):
    """Links to files that are not there, or to headings that they do not have."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        path, _, anchor = target.partition("#")
        if "://" in target:
            continue
        file = (page.parent / path).resolve() if path else page
        if not file.exists():
            yield f"{target}: there is no such file"
        elif anchor and anchor not in headings(file):
            yield f"{target}: there is no such heading"


def unshown(page):
    """Rows of tables whose last cell has no link to a test."""
    for line in page.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and cells[0] and "](" not in cells[-1]:
            yield cells[0]


def headings(file):
    for heading in re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
