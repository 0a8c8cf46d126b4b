# shellcheck shell=bash
# Certificates and kubeconfigs. Each function works in the current folder.

authority() {  # NAME
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=$1" \
    -keyout "$1.key" -out "$1.crt" -config <(printf '[req]\ndistinguished_name=dn\n[dn]\n') \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
}

cert() {  # NAME SUBJECT [ALTERNATIVE-NAMES] [AUTHORITY]: good for client and for server use
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "$2" \
    -CA "${4:-ca}.crt" -CAkey "${4:-ca}.key" -keyout "$1.key" -out "$1.crt" \
    -config <(printf '[req]\ndistinguished_name=dn\n[dn]\n') -addext basicConstraints=critical,CA:FALSE \
    -addext keyUsage=critical,digitalSignature -addext extendedKeyUsage=clientAuth,serverAuth \
    ${3:+-addext "subjectAltName=$3"} 2>/dev/null
}

kubeconfig() {  # NAME FILE: a kubeconfig that carries NAME's certificate within it
  cat >"$2" <<YAML
apiVersion: v1
kind: Config
clusters: [{name: one-node, cluster: {server: "$API", certificate-authority-data: $(base64 -w0 ca.crt)}}]
users: [{name: $1, user: {client-certificate-data: $(base64 -w0 "$1.crt"), client-key-data: $(base64 -w0 "$1.key")}}]
contexts: [{name: one-node, context: {cluster: one-node, user: $1}}]
current-context: one-node
YAML
  chmod 600 "$2"
}

control_plane_identities() {  # what etcd's only client and the control plane's programs need; made once
  [[ -e control-plane.done ]] && return
  authority ca
  authority front-proxy-ca
  openssl genrsa -out service-accounts.key 2048 2>/dev/null
  openssl rsa -in service-accounts.key -pubout -out service-accounts.pub 2>/dev/null
  cert apiserver /CN=kube-apiserver "IP:$API_BIND,IP:$API_IP,IP:127.0.0.1,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local"
  cert apiserver-to-kubelet /O=system:masters/CN=kube-apiserver-kubelet-client
  cert front-proxy /CN=front-proxy-client "" front-proxy-ca
  cert admin /O=system:masters/CN=admin
  cert controller-manager /CN=system:kube-controller-manager
  kubeconfig controller-manager controller-manager.kubeconfig
  kubeconfig admin "$KUBECONFIG_OUT"
  touch control-plane.done
}

node_identities() {  # and those of a node that runs pods
  [[ -e node.done ]] && return
  cert kubelet "/O=system:nodes/CN=system:node:$NODE" "IP:$NODE_IP,DNS:$NODE"
  cert scheduler /CN=system:kube-scheduler
  cert kube-proxy /CN=system:kube-proxy
  cert netpol /CN=netpol
  local name
  for name in kubelet scheduler kube-proxy netpol; do kubeconfig "$name" "$name.kubeconfig"; done
  touch node.done
}
