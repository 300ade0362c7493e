# shellcheck shell=bash
# Prints the network of pods that do not use the host's: a bridge. Sourced by cluster.
cat <<JSON
{
  "cniVersion": "0.4.0",
  "name": "e2e",
  "plugins": [
    {
      "type": "bridge",
      "bridge": "e2e0",
      "isDefaultGateway": true,
      "ipam": {"type": "host-local", "dataDir": "$E2E_DIR/run/addresses", "ranges": [[{"subnet": "10.244.0.0/24"}]]}
    },
    {"type": "loopback"}
  ]
}
JSON
