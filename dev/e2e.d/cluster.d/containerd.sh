# shellcheck shell=bash
# Prints containerd's configuration. Sourced by cluster.
cat <<TOML
version = 2
root = "$E2E_DIR/containerd"
state = "$E2E_DIR/run/containerd"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.opt",
]
[grpc]
  address = "$E2E_DIR/run/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/e2e/pause:1"
  stream_server_address = "127.0.0.1"
  disable_apparmor = true
  # A container may lack the right to lower its score.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$E2E_DEBIAN/usr/lib/cni"
    conf_dir = "$E2E_DIR/cni"
TOML
