# shellcheck shell=bash
# Certificates and kubeconfigs of the cluster's parts. Sourced by cluster.

# certificate NAME SUBJECT [ALTERNATIVE NAMES]
certificate() {
  openssl req -newkey rsa:2048 -nodes -keyout "$pki/$1.key" -subj "$2" -out "$pki/$1.csr" 2>/dev/null
  openssl x509 -req -in "$pki/$1.csr" -CA "$pki/ca.crt" -CAkey "$pki/ca.key" -CAcreateserial -days 3 \
    -out "$pki/$1.crt" -extfile <(printf 'extendedKeyUsage=serverAuth,clientAuth\n%s' "${3:+subjectAltName=$3}") \
    2>/dev/null
}

# kubeconfig NAME ADDRESS: for the certificate of that name, to the API server at the address.
kubeconfig() {
  cat >"$1.kubeconfig" <<YAML
apiVersion: v1
kind: Config
clusters: [{name: e2e, cluster: {server: "https://$2", certificate-authority: "$pki/ca.crt"}}]
users: [{name: user, user: {client-certificate: "$pki/$1.crt", client-key: "$pki/$1.key"}}]
contexts: [{name: e2e, context: {cluster: e2e, user: user}}]
current-context: e2e
YAML
}

# node_certificate NODE ADDRESS SERVER: the kubelet's, which serves at the address.
node_certificate() {
  certificate "$1" "/O=system:nodes/CN=system:node:$1" "DNS:$1,IP:$2"
  kubeconfig "$1" "$3"
}

pki_make() {
  local name
  mkdir -p "$pki"
  openssl req -x509 -newkey rsa:2048 -nodes -keyout "$pki/ca.key" -subj /CN=e2e -days 3 -out "$pki/ca.crt" 2>/dev/null
  openssl genrsa -out "$pki/sa.key" 2048 2>/dev/null
  openssl rsa -in "$pki/sa.key" -pubout -out "$pki/sa.pub" 2>/dev/null
  certificate apiserver /CN=kube-apiserver "DNS:kubernetes.default.svc,IP:127.0.0.1,IP:$service"
  certificate admin /O=system:masters/CN=admin
  certificate scheduler /CN=system:kube-scheduler
  certificate controller-manager /CN=system:kube-controller-manager
  for name in admin scheduler controller-manager; do kubeconfig $name 127.0.0.1; done
  node_certificate "$E2E_NODE" "$E2E_ADDRESS" 127.0.0.1
  node_certificate node-2 "$E2E_GUEST" "$service"
}
