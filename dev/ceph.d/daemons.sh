# Starting, stopping and looking at daemons. Sourced by dev/ceph.
#
# A process counts as ours only if the pid in our pid file runs with our ceph.conf, so that a number
# that was given to somebody else's process in the meantime is never signalled.

daemons=(mon.a osd.0 mgr.x mds.a)

# Debian ships the modules of the mgr uncompiled; compiled ones are kept across clusters.
compiled_modules=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/spirula/ceph-mgr-modules

daemon_pid() {
  local pid
  pid=$(cat "$dir/run/$1.pid" 2>/dev/null) || return 1
  [[ $pid =~ ^[0-9]+$ ]] || return 1
  tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -qxF -- "$conf" || return 1
  echo "$pid"
}

# In the foreground mode of the daemon, in a session of its own; Ceph writes the pid file.
daemon_start() {
  local daemon=$1
  if daemon_pid "$daemon" >/dev/null; then return; fi
  rm -f "$dir/run/$daemon.pid"
  env -u PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX="$compiled_modules" PYTHONPATH="$dir/mgr.x/python" \
    setsid nohup "${into_release[@]}" "ceph-${daemon%%.*}" -f -c "$conf" -i "${daemon#*.}" \
    >>"$dir/log/$daemon.out" 2>&1 </dev/null 9>&- &
  disown
}

daemon_wait() {
  local i
  for ((i = 0; i < 1200; i++)); do
    if daemon_pid "$1" >/dev/null; then return; fi
    sleep 0.05
  done
  tail -n 5 "$dir/log/$1.out" >&2
  die "$1 did not start"
}

# daemon_stop NAME SECONDS: ask, and after that time make it.
daemon_stop() {
  local pid i
  if pid=$(daemon_pid "$1"); then
    kill -TERM "$pid" 2>/dev/null || true
    # One that a test has stopped could not hear the signal.
    kill -CONT "$pid" 2>/dev/null || true
    for ((i = 0; i < $2 * 20; i++)); do
      daemon_pid "$1" >/dev/null || break
      sleep 0.05
    done
    if daemon_pid "$1" >/dev/null; then kill -KILL "$pid" 2>/dev/null || true; fi
  fi
  rm -f "$dir/run/$1.pid"
}

daemon_report() {
  local daemon pid
  printf '%-8s %8s %9s\n' daemon pid rss_MiB
  for daemon in "${daemons[@]}"; do
    if pid=$(daemon_pid "$daemon"); then
      printf '%-8s %8s %9s\n' "$daemon" "$pid" "$(awk '/^VmRSS/ {printf "%.1f", $2 / 1024}' "/proc/$pid/status")"
    else
      printf '%-8s %8s\n' "$daemon" down
    fi
  done
}
