# Prints ceph.conf. Sourced by dev/ceph at each start, so a change here takes effect with the next one.
cat <<CONF
[global]
fsid = $fsid
mon host = [v2:$address:$v2_port,v1:$address:$v1_port]
public addr = $address
cluster addr = $address
ms bind ipv6 = false
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
auth allow insecure global id reclaim = false
run dir = $dir/run
log file = $dir/log/\$name.log
crash dir = $dir/crash
keyring = $dir/client.admin.keyring
# One host, one copy.
osd crush chooseleaf type = 0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
mon max pg per osd = 2000
ms async op threads = 1
debug ms = 0/0

[client]
# Otherwise each process that uses librados leaves a log file.
log file = /dev/null

[mon]
mon data = $dir/mon.a
keyring = $dir/mon.a/keyring
pid file = $dir/run/\$name.pid
mon allow pool size one = true
mon allow pool delete = true
mon warn on pool no redundancy = false
mon data avail warn = 3
mon data avail crit = 1
mon cluster log file = $dir/log/cluster.log
mon initial members = a
mgr initial modules =
# Propose changes at once instead of after up to a second.
paxos propose interval = 0.05
paxos min wait = 0.01
mon tick interval = 1
mon osd crush smoke test = false
mon rocksdb options = write_buffer_size=4194304,compression=kNoCompression

[mgr]
mgr data = $dir/\$name
keyring = $dir/\$name/keyring
pid file = $dir/run/\$name.pid
# All modules together cost 3 s of processor time and 200 MiB; the ones that are always on stay.
mgr disabled modules = alerts cephadm cli_api dashboard diskprediction_local feedback hello influx insights iostat k8sevents localpool mds_autoscaler mirroring nfs osd_perf_query osd_support prometheus restful rgw rook selftest snap_schedule stats telegraf test_orchestrator zabbix
mgr tick period = 1
mgr stats period = 2

[osd]
osd data = $dir/\$name
keyring = $dir/\$name/keyring
pid file = $dir/run/\$name.pid
osd objectstore = bluestore
osd crush update on start = true
osd fast shutdown = false
osd class default list = *
osd class load list = *
osd op num shards = 2
osd op num threads per shard = 1
osd max pg log entries = 100
osd min pg log entries = 50
osd pg log trim min = 10
osd scrub begin hour = 3
osd scrub end hour = 4
bluestore fsck on mkfs = false
bluestore fsck on mount = false
bluestore cache autotune = false
bluestore cache size = 33554432
bdev enable discard = false
# Opening and closing the store waits for one poll each, eight times until the osd is up.
bdev aio poll ms = 5
bluestore rocksdb options = compression=kNoCompression,max_write_buffer_number=4,min_write_buffer_number_to_merge=1,recycle_log_file_num=4,write_buffer_size=4194304,writable_file_max_buffer_size=0,max_background_compactions=1

[mds]
mds data = $dir/\$name
keyring = $dir/\$name/keyring
pid file = $dir/run/\$name.pid
mds cache memory limit = 67108864
mds log max segments = 32
mds beacon interval = 1
mds tick interval = $mds_tick
mds reconnect timeout = $mds_reconnect
# Without it a stopping mds waits 6 s for an answer of the mon.
mds mon shutdown timeout = 0.3
CONF
