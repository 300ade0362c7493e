# shellcheck shell=bash
# Prints the kubelet's configuration. Sourced by cluster.
cat <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $E2E_ADDRESS
readOnlyPort: 0
healthzBindAddress: 127.0.0.1
tlsCertFile: $pki/$E2E_NODE.crt
tlsPrivateKeyFile: $pki/$E2E_NODE.key
authentication: {anonymous: {enabled: false}, webhook: {enabled: false}, x509: {clientCAFile: $pki/ca.crt}}
authorization: {mode: AlwaysAllow}
containerRuntimeEndpoint: unix://$E2E_DIR/run/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /$E2E_CGROUP
$(if [[ $(stat -fc %T $cgroups) != cgroup2fs ]]; then echo 'failCgroupV1: false'; fi)
enforceNodeAllocatable: [pods]
failSwapOn: false
makeIPTablesUtilChains: false
# On further nodes is only what asks for them by name, and what has to be on each node.
$(if [[ $E2E_NODE != node-1 ]]; then echo 'registerWithTaints: [{key: node.kubernetes.io/unschedulable, effect: NoSchedule}]'; fi)
# Nothing is resolved: neither pods nor the machine reach anything but each other.
resolvConf: ""
volumePluginDir: $E2E_DIR/plugins
# A machine for development may be nearly full.
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard: {memory.available: "50Mi", nodefs.available: "1%", imagefs.available: "1%"}
YAML
