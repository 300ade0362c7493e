# shellcheck shell=bash
# A cgroup for the pods, in version 1, 2, or 1 with 2 beside it. Sourced by cluster, and by dev/e2e, which removes
# it when nothing runs any more.

cgroups=/sys/fs/cgroup

# The roots of all hierarchies.
cgroups_roots() { awk '$3 == "cgroup" || $3 == "cgroup2" {print $2}' /proc/self/mounts; }

# cgroups_make NAME
cgroups_make() {
  local root controller
  for root in $(cgroups_roots); do
    mkdir -p "$root/$1"
    # Version 1: without processors and memory nothing can run in it.
    if [[ -e $root/cpuset.cpus ]]; then
      cat "$root/cpuset.cpus" >"$root/$1/cpuset.cpus"
      cat "$root/cpuset.mems" >"$root/$1/cpuset.mems"
    fi
  done
  # Version 2 alone: what the kubelet counts has to be switched on above it.
  if [[ -e "$cgroups/cgroup.subtree_control" ]]; then
    for controller in cpu cpuset hugetlb memory pids; do
      if grep -qw "$controller" "$cgroups/cgroup.controllers"; then
        echo "+$controller" >"$cgroups/cgroup.subtree_control"
      fi
    done
  fi
}

# cgroups_remove NAME: fails if something is left in any of the hierarchies.
cgroups_remove() {
  local root status=0
  for root in $(cgroups_roots); do
    if [[ -d $root/$1 ]]; then find "$root/$1" -depth -type d -exec rmdir {} + || status=1; fi
  done
  return "$status"
}
