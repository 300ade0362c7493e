# Which release of Ceph runs, and where its programs are. Sourced by dev/ceph.
#
# Debian 12 has 16. The others are in newer Debians, whose packages are unpacked into a directory, and
# their programs run with that as root. Nothing in it is ever started or configured by a package. What
# such a program needs of this machine is mounted into the directory in a mount namespace of its own:
# the mounts end with the program, and nobody else sees them. The cluster's directory is among them
# under its own path, so that ceph.conf, pid files and command lines are the same inside and outside.

declare -A suite=([18]=trixie [20]=forky)
archive=http://deb.debian.org/debian

# release_prepare: sets `root`, `into_release`, and what differs in keys.
release_prepare() {
  root='' into_release=(env) key_type=() ciphers=()
  case $release in
    16) command -v ceph-mon >/dev/null || die "no ceph-mon on this machine; dev/setup installs it"; return ;;
    18) ;;
    20)
      # Clients before 20 cannot read the keys that it makes by default.
      key_type=(--key-type aes)
      # shellcheck disable=SC2054 # a list with commas
      ciphers=(--auth-allowed-ciphers aes,aes256k --auth-service-cipher aes --auth-preferred-cipher aes) ;;
    *) die "there is no release $release here; there are 16, 18, 20" ;;
  esac
  ((EUID == 0)) || die "release $release needs root, for a chroot"
  root=${SPIRULA_CEPH_CHROOTS:-$(dirname "$(dirname "$parts")")/.cache}/ceph-$release
  mkdir -p "$(dirname "$root")"
  # Two clusters may be started at once.
  (flock -w 900 8 || die "another dev/ceph makes $root"; chroot_make) 8>"$root.lock" 9>&-
  mkdir -p "$root$dir"
  # shellcheck disable=SC2016 # variables of the inner shell
  into_release=(unshare --mount --propagation private -- sh -ec '
    root=$1 dir=$2
    shift 2
    # Copies, which would keep the file systems of others in use.
    timeout 20 umount --all --lazy --no-canonicalize --types fuse.ceph-fuse,ceph || true
    for shared in /dev /proc /sys; do mount --rbind "$shared" "$root$shared"; done
    mount --bind "$dir" "$root$dir"
    exec chroot "$root" "$@"' sh "$root" "$dir")
}

# in_release PROGRAM [ARGUMENT]...: runs a program of that release.
in_release() { "${into_release[@]}" "$@" 9>&-; }

# Under its name only when complete, so what an interrupted run has left is made anew.
chroot_make() {
  if [[ -d $root ]]; then return; fi
  local started=$SECONDS found
  "$parts/../setup" chroot
  echo "unpacking Ceph $release of Debian ${suite[$release]} into $root"
  rm -rf --one-file-system "$root.new"
  # The Release file of a suite that is in the making may be past its date.
  (umask 022; mmdebstrap --quiet --mode=root --variant=extract \
    --aptopt='Acquire::Check-Valid-Until "false"' \
    --include=base-files,dash,ceph-mon,ceph-mgr,ceph-osd,ceph-mds \
    "${suite[$release]}" "$root.new" "$archive") >"$root.log" 2>&1 ||
    { tail -n 20 "$root.log" >&2; die "cannot unpack Debian ${suite[$release]}"; }
  # What the package would have made: without certificates some modules of the mgr do not load.
  cat "$root.new"/usr/share/ca-certificates/mozilla/*.crt >"$root.new/etc/ssl/certs/ca-certificates.crt"
  found=$(chroot "$root.new" ceph-mon --version) || die "the ceph-mon of ${suite[$release]} does not run"
  [[ $found == "ceph version $release."* ]] ||
    die "Debian ${suite[$release]} has another release by now: $found"
  mv "$root.new" "$root"
  echo "$found, in $((SECONDS - started)) s"
}
