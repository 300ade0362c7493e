"""The commands of the README's first page by which the driver is installed, run as they are written there."""

import os
import shutil
import subprocess

import yaml
from kube import KUBECONFIG, KUBECTL, PATIENCE, Failed, say

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")
HEADING = "\n## In a cluster\n"


class FirstPage:
    """A copy of what the commands use, in which they may write."""

    def __init__(self):
        with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
            section = file.read().split(HEADING)[1]
        self.commands = section.split("```sh\n")[1].split("```")[0].splitlines()
        self.directory = os.path.join(os.environ["E2E_DIR"], "checkout")
        theirs = shutil.ignore_patterns("my-cluster")  # of somebody who has run the commands in this directory
        shutil.copytree(os.path.join(ROOT, "deploy"), os.path.join(self.directory, "deploy"), ignore=theirs)

    def install(self):
        """All but the last one, as the administrator. What is to be edited `first_page_editor.py` edits."""
        for command in self.commands[:-1]:
            self.run(command, "default")

    def use(self, namespace):
        """The last one, as somebody whose kubeconfig is for this namespace."""
        self.run(self.commands[-1], namespace)

    def run(self, command, namespace):
        """A command, and what it prints."""
        say(f"$ {command}")
        with open(KUBECONFIG, encoding="utf-8") as file:
            config = yaml.safe_load(file)
        config["contexts"][0]["context"]["namespace"] = namespace
        kubeconfig = os.path.join(self.directory, f"{namespace}.kubeconfig")
        with open(kubeconfig, "w", encoding="utf-8") as file:
            yaml.safe_dump(config, file)
        path = f"{os.path.dirname(KUBECTL)}:{os.environ['PATH']}"
        editor = os.path.join(HERE, "first_page_editor.py")
        done = subprocess.run(
            ["timeout", str(PATIENCE), "bash", "-euc", command],
            cwd=self.directory,
            env={**os.environ, "PATH": path, "KUBECONFIG": kubeconfig, "EDITOR": editor},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Failed(f"{command}: exit status {done.returncode}: {done.stdout.strip()}")
        return done.stdout
