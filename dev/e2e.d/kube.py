"""The cluster as kubectl shows it, told step by step, and waiting with a deadline."""

import json
import os
import subprocess
import time

KUBECTL = os.path.join(os.environ.get("E2E_PROGRAMS", ""), "kubectl")
KUBECONFIG = os.path.join(os.environ.get("E2E_DIR", ""), "admin.kubeconfig")
CLUSTER_WIDE = ("Namespace", "PersistentVolume", "StorageClass", "VolumeGroupSnapshotClass", "VolumeSnapshotClass")
PATIENCE = 300  # seconds, for a machine that is busy with other things
PATIENT = 30  # seconds, after which the transcript says what is waited for
# What kubectl asks before all else, and waits for no longer: the API server makes its schemas anew after each definition
# of a new kind, which takes that long on a machine that is busy.
BUSY = "?timeout=32s"


class Failed(Exception):
    """Something is not as it has to be."""


def say(text):
    print(f"  {text}", flush=True)


def check(holds, statement, found=None):
    """A statement that has to hold; the transcript shows it."""
    if not holds:
        raise Failed(f"not so: {statement}" + ("" if found is None else f"; found: {found}"))
    say(f"  ok  {statement}")


def wait(statement, probe, patience=PATIENCE, instead=None):
    """Until `probe` gives something true, which is returned; then the statement is in the transcript.

    Where that takes long the transcript says so, and what there is `instead`.
    """
    began = time.monotonic()
    due = min(PATIENT, patience)
    while not (found := probe()):
        passed = time.monotonic() - began
        if passed > due:
            state = f"not so after {passed:.0f} s: {statement}" + (f"; found: {instead()}" if instead else "")
            if passed > patience:
                raise Failed(state)
            say(f"  ... {state}")
            due = min(due + PATIENT, patience)
        time.sleep(0.3)
    say(f"  ok  {statement} ({time.monotonic() - began:.1f} s)")
    return found


class Kube:
    """Objects of one namespace, and of none."""

    def __init__(self, namespace="default"):
        self.namespace = namespace

    def run(self, *arguments, stdin=None, patience=PATIENCE, shown=True, tolerate=False):
        """kubectl, and what it prints. `tolerate` a failure: None is the answer then."""
        if shown:
            say("$ kubectl " + " ".join(arguments))
        # What is applied says itself where it belongs.
        within = [] if arguments[0] == "apply" else ["--namespace", self.namespace]
        until = time.monotonic() + patience
        while True:
            printed, failure = kubectl([*within, *arguments], stdin, patience)
            if failure is None:
                return printed
            if BUSY not in failure or time.monotonic() > until:
                break
            time.sleep(1)
        if tolerate:
            return None
        raise Failed(f"kubectl {' '.join(arguments)}: {failure}")

    def apply(self, *objects):
        """Objects in this namespace, unless they have another or none."""
        for thing in objects:
            say(f"$ kubectl apply -f - # {thing['kind']} {thing['metadata']['name']}")
        self.quietly(*objects)

    def quietly(self, *objects):
        """The same for many, without a line for each."""
        for thing in objects:
            if thing["kind"] not in CLUSTER_WIDE:
                thing["metadata"].setdefault("namespace", self.namespace)
        document = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.run("apply", "-f", "-", stdin=json.dumps(document), shown=False)

    def get(self, kind, name):
        """The object, None if it is not there."""
        found = self.run("get", kind, name, "-o", "json", "--ignore-not-found", shown=False)
        return json.loads(found) if found else None

    def list(self, kind, *selection):
        found = self.run("get", kind, "-o", "json", *selection, shown=False)
        return json.loads(found)["items"]

    def delete(self, kind, name, *options):
        self.run("delete", kind, name, "--wait=false", *options)

    def execute(self, pod, script, container=None, shown=True, tolerate=False):
        """A shell script in a pod, and what it prints."""
        if shown:
            say(f"$ kubectl exec {pod} -- sh -c '{script}'")
        within = ["-c", container] if container else []
        return self.run("exec", pod, *within, "--", "sh", "-c", script, shown=False, tolerate=tolerate)

    def events(self, kind, name):
        """The messages of the events about an object."""
        about = f"involvedObject.kind={kind},involvedObject.name={name}"
        return [event["message"] for event in self.list("events", "--field-selector", about)]

    # What cases wait for.

    def bound(self, *claims, patience=PATIENCE):
        def unbound():
            found = {c["metadata"]["name"]: c.get("status", {}).get("phase") for c in self.list("pvc")}
            return {claim: found.get(claim, "absent") for claim in claims if found.get(claim) != "Bound"}

        title = ", ".join(claims) if len(claims) < 6 else f"all {len(claims)} claims"
        wait(f"bound: {title}", lambda: not unbound(), patience, unbound)

    def ready(self, selector, count=1, patience=PATIENCE):
        """The names of the pods of a selector, when as many as that are ready and none is going."""

        def probe():
            pods = self.list("pods", "-l", selector)
            names = [pod["metadata"]["name"] for pod in pods if is_ready(pod)]
            return names if len(names) == count == len(pods) else None

        state = lambda: [f"{pod['metadata']['name']}: {state_of(pod)}" for pod in self.list("pods", "-l", selector)]
        return wait(f"ready: {count} pod{'s' * (count > 1)} of {selector}", probe, patience, state)

    def running(self, pod, patience=PATIENCE):
        probe = lambda: (found := self.get("pod", pod)) and is_ready(found)
        wait(f"ready: pod {pod}", probe, patience, lambda: state_of(self.get("pod", pod)))

    def gone(self, kind, name, patience=PATIENCE):
        wait(f"gone: {kind} {name}", lambda: self.get(kind, name) is None, patience)

    def event(self, kind, name, *parts, patience=PATIENCE):
        """The first event about an object with all these parts in its message, which is shown."""

        def probe():
            for message in self.events(kind, name):
                if all(part in message for part in parts):
                    return message
            return None

        statement = f"event on {kind} {name} with {', '.join(map(repr, parts))}"
        message = wait(statement, probe, patience, lambda: self.events(kind, name))
        say(f"      {message}")
        return message


def kubectl(arguments, stdin, patience):
    """What it prints, and what is wrong, None if nothing is."""
    try:
        done = subprocess.run(
            [KUBECTL, "--kubeconfig", KUBECONFIG, *arguments],
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            timeout=patience,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None, f"has not ended after {patience} s"
    return done.stdout, (done.stderr.strip() or done.stdout.strip()) if done.returncode else None


def is_ready(pod):
    conditions = {c["type"]: c["status"] for c in pod.get("status", {}).get("conditions", [])}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def state_of(pod):
    """What a pod is at, in the words that `kubectl get pods` and `kubectl describe pod` have for it."""
    if pod is None:
        return "absent"
    status = pod.get("status", {})
    states = [c.get("state", {}) for c in status.get("containerStatuses", [])]
    reasons = [of.get("reason") for state in states for of in (state.get("waiting"), state.get("terminated")) if of]
    going = ["Terminating"] if "deletionTimestamp" in pod["metadata"] else []
    unmet = [c.get("message") for c in status.get("conditions", []) if c["type"] == "PodScheduled" and c["status"] != "True"]
    return ", ".join(filter(None, [status.get("phase"), *going, *reasons, *unmet]))
