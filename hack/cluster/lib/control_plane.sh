# shellcheck shell=bash
# etcd, the API server and the controller manager, with keys under $STATE/pki. The API server listens on
# shellcheck disable=SC2154  # common.sh sets them
# $API_BIND:$API_PORT; everything else on loopback. Used by `up` and, with ports of its own, by `apiserver`.

start_etcd() {
  local etcd=http://127.0.0.1:$ETCD_PORT peer=http://127.0.0.1:$ETCD_PEER_PORT
  start etcd etcd --name node --data-dir "$STATE/etcd" --listen-client-urls "$etcd" --advertise-client-urls "$etcd" \
    --listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" --initial-cluster "node=$peer" \
    --unsafe-no-fsync --logger zap --log-level warn
}

start_apiserver() {  # MORE FLAGS...
  local pki=$STATE/pki
  cp "$here/audit-policy.yaml" "$STATE/audit-policy.yaml"
  start apiserver kube-apiserver --etcd-servers "http://127.0.0.1:$ETCD_PORT" \
    --bind-address "$API_BIND" --advertise-address "$API_BIND" --secure-port "$API_PORT" \
    --service-cluster-ip-range "$SERVICE_CIDR" --allow-privileged=true \
    --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction \
    --client-ca-file "$pki/ca.crt" --tls-cert-file "$pki/apiserver.crt" --tls-private-key-file "$pki/apiserver.key" \
    --kubelet-certificate-authority "$pki/ca.crt" --kubelet-preferred-address-types InternalIP \
    --kubelet-client-certificate "$pki/apiserver-to-kubelet.crt" --kubelet-client-key "$pki/apiserver-to-kubelet.key" \
    --service-account-issuer https://kubernetes.default.svc.cluster.local \
    --service-account-key-file "$pki/service-accounts.pub" --service-account-signing-key-file "$pki/service-accounts.key" \
    --requestheader-client-ca-file "$pki/front-proxy-ca.crt" --requestheader-allowed-names front-proxy-client \
    --requestheader-username-headers X-Remote-User --requestheader-group-headers X-Remote-Group \
    --requestheader-extra-headers-prefix X-Remote-Extra- \
    --proxy-client-cert-file "$pki/front-proxy.crt" --proxy-client-key-file "$pki/front-proxy.key" \
    --audit-policy-file "$STATE/audit-policy.yaml" --audit-log-path "$STATE/log/audit.jsonl" \
    --audit-log-maxsize 200 --audit-log-maxbackup 4 "$@"
}

api_ready() { kubectl --kubeconfig "$KUBECONFIG_OUT" get --raw /readyz; }

start_controller_manager() {  # PORT for its own health, MORE FLAGS...
  local pki=$STATE/pki port=$1; shift
  start controller-manager kube-controller-manager --kubeconfig "$pki/controller-manager.kubeconfig" \
    --authentication-kubeconfig "$pki/controller-manager.kubeconfig" --authorization-kubeconfig "$pki/controller-manager.kubeconfig" \
    --bind-address 127.0.0.1 --secure-port "$port" --leader-elect=false --use-service-account-credentials \
    --root-ca-file "$pki/ca.crt" --service-account-private-key-file "$pki/service-accounts.key" \
    --cluster-signing-cert-file "$pki/ca.crt" --cluster-signing-key-file "$pki/ca.key" "$@"
}
