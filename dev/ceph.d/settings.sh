# Where the cluster is, and what was fixed when it was created. Sourced by dev/ceph.

dir=${SPIRULA_CEPH_DIR:-/tmp/spirula-ceph}
conf=$dir/ceph.conf
user=csi-cephfs
metadata_pool=cephfs-metadata
data_pool=cephfs-data

[[ $dir == /*/* ]] || die "SPIRULA_CEPH_DIR has to be absolute and at least two levels deep: $dir"
# Daemons put unix sockets into it, whose paths may have 107 bytes.
((${#dir} <= 70)) || die "SPIRULA_CEPH_DIR is too long for unix sockets (at most 70 bytes): $dir"

settings_load() {
  v2_port=${SPIRULA_CEPH_V2_PORT:-} v1_port=${SPIRULA_CEPH_V1_PORT:-}
  fs=${SPIRULA_CEPH_FS:-cephfs} group=${SPIRULA_CEPH_GROUP:-csi}
  address=${SPIRULA_CEPH_ADDRESS:-127.0.0.1}
  mds_tick=${SPIRULA_CEPH_MDS_TICK:-0.2} mds_reconnect=${SPIRULA_CEPH_MDS_RECONNECT:-4}
  release=${asked_release:-${SPIRULA_CEPH_RELEASE:-16}}
  if [[ -f $dir/settings ]]; then
    # shellcheck source=/dev/null
    . "$dir/settings"
    [[ -z $asked_release || $asked_release == "$release" ]] ||
      die "the cluster in $dir is of release $release; with --fresh it is replaced"
  elif [[ -n $(ls -A "$dir" 2>/dev/null) ]]; then
    die "$dir is neither empty nor a cluster of dev/ceph"
  fi
}

# Also finishes a creation that was interrupted: what is there already is kept.
settings_create() {
  mkdir -p "$dir"/{run,log,mon.a,mgr.x,osd.0,mds.a}
  if [[ -f $dir/settings ]]; then return; fi
  fsid=$(</proc/sys/kernel/random/uuid)
  v2_port=${v2_port:-$(free_port)}
  v1_port=${v1_port:-$(free_port)}
  declare -p fsid address v2_port v1_port fs group release | sed 's/^declare -- //' >"$dir/settings.new"
  mv "$dir/settings.new" "$dir/settings"
  # shellcheck source=/dev/null
  . "$dir/settings"
}

# A port on which nobody listens, below the range from which the kernel gives ports to clients.
free_port() {
  local port
  while :; do
    port=$((20000 + SRANDOM % 12000))
    if ! (: <>"/dev/tcp/$address/$port") 2>/dev/null; then break; fi
  done
  echo "$port"
}

settings_export() {
  cat <<ENV
export SPIRULA_TEST_CEPH_DIR='$dir'
export SPIRULA_TEST_CEPH_RELEASE='$release'
export SPIRULA_TEST_MONITORS='$address:$v1_port'
export SPIRULA_TEST_MONITORS_V2='$address:$v2_port'
export SPIRULA_TEST_CLUSTER_ID='$fsid'
export SPIRULA_TEST_USER='$user'
export SPIRULA_TEST_KEYFILE='$dir/client.$user.secret'
export SPIRULA_TEST_ADMIN_KEYFILE='$dir/client.admin.secret'
export SPIRULA_TEST_FS='$fs'
export SPIRULA_TEST_GROUP='$group'
export SPIRULA_TEST_METADATA_POOL='$metadata_pool'
export CEPH_CONF='$conf'
ENV
}
