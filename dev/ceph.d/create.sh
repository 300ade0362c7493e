# What is done once, when a cluster is created. Sourced by dev/ceph. Each step may be repeated.

# One keyring with everybody in it goes into the new mon: no `ceph auth` commands are needed later.
create_keys() {
  local all=$dir/keyring daemon name
  if [[ ! -f $all ]]; then
    rm -f "$all.new"
    new_key mon. mon 'allow *'
    new_key client.admin mon 'allow *' osd 'allow *' mgr 'allow *' mds 'allow *'
    # The rights that ceph-csi documents for its CephFS user, and no more.
    new_key "client.$user" mgr 'allow rw' mon "allow r fsname=$fs" \
      mds "allow r fsname=$fs path=/volumes, allow rws fsname=$fs path=/volumes/$group" \
      osd "allow rw tag cephfs metadata=$fs, allow rw tag cephfs data=$fs"
    new_key mgr.x mon 'allow profile mgr' osd 'allow *' mds 'allow *'
    new_key osd.0 mon 'allow profile osd' mgr 'allow profile osd' osd 'allow *'
    new_key mds.a mon 'allow profile mds' mgr 'allow profile mds' osd 'allow *' mds 'allow *'
    mv "$all.new" "$all"
  fi
  for daemon in mgr.x osd.0 mds.a; do keyring_of "$daemon" >"$dir/$daemon/keyring"; done
  for name in client.admin "client.$user"; do
    keyring_of "$name" >"$dir/$name.keyring"
    awk '$1 == "key" {printf "%s", $3}' "$dir/$name.keyring" >"$dir/$name.secret"
  done
}

# new_key ENTITY [SERVICE CAPS]...
new_key() {
  local entity=$1 caps=()
  shift
  while (($#)); do caps+=(--cap "$1" "$2"); shift 2; done
  in_release ceph-authtool --create-keyring "$dir/keyring.one" --gen-key "${key_type[@]}" -n "$entity" \
    "${caps[@]}" >/dev/null
  cat "$dir/keyring.one" >>"$dir/keyring.new"
  rm "$dir/keyring.one"
}

keyring_of() { awk -v section="[$1]" '/^\[/ {mine = ($0 == section)} mine' "$dir/keyring"; }

create_mon() {
  [[ -f $dir/monmap ]] || in_release monmaptool --create --fsid "$fsid" "${ciphers[@]}" \
    --addv a "[v2:$address:$v2_port,v1:$address:$v1_port]" "$dir/monmap" >/dev/null
  if [[ ! -f $dir/mon.a/keyring ]]; then
    in_release ceph-mon -c "$conf" -i a --mkfs --monmap "$dir/monmap" --keyring "$dir/keyring" \
      >"$dir/log/mon.a.mkfs" 2>&1 || { cat "$dir/log/mon.a.mkfs" >&2; die "cannot create the mon"; }
    cp "$dir/keyring" "$dir/mon.a/keyring"
  fi
  # Debian 13's python3-bcrypt cannot be loaded into the mgr, and without it no module of the mgr
  # loads. Only password hashes need it, which nobody asks for here.
  mkdir -p "$dir/mgr.x/python"
  printf '%s\n' 'def _absent(*a, **k): raise NotImplementedError("no bcrypt in a test cluster")' \
    'gensalt = hashpw = checkpw = _absent' >"$dir/mgr.x/python/bcrypt.py"
}

# The store is a sparse file; the mon must know the uuid by now.
create_osd() {
  if [[ -f $dir/osd.0/ready ]]; then return; fi
  truncate -s 20G "$dir/osd.0/block"
  in_release ceph-osd -c "$conf" -i 0 --mkfs --monmap "$dir/monmap" --osd-uuid "$fsid" \
    >"$dir/log/osd.0.mkfs" 2>&1 9>&- || { tail -n 5 "$dir/log/osd.0.mkfs" >&2; die "cannot create the osd"; }
  touch "$dir/osd.0/ready"
}

# content osd|filesystem|health: what has to be told to, or waited for from, the running mon and mgr.
content() {
  # The distribution's own python: it has the module `rados`.
  /usr/bin/python3 "$parts/content.py" "$1" --conf "$conf" --osd-uuid "$fsid" --fs "$fs" \
    --group "$group" --metadata-pool "$metadata_pool" --data-pool "$data_pool" 9>&-
}
