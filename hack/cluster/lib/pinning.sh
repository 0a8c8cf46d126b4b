# shellcheck shell=bash
# Which image a tag means just now, written into the pods: the same tag with another image is then another pod.
# `make images` moves a tag, and Kubernetes never asks what is behind one that a node has already.

# Content of an image by its reference, in a word; nothing where that cannot be known, as in a given cluster, whose
# nodes fetch images themselves: there, give each image a tag of its own.
content_of() {  # REF
  # shellcheck disable=SC2154  # common.sh says where it is
  case $("$here/which") in
    own) "$here/image" digest "$1" ;;
    kind) docker image inspect --format '{{.Id}}' "$1" 2>/dev/null || true ;;
  esac
}

# Each Deployment of rendered manifests with the images of its containers: "NAME REF...", a line each.
images_of_deployments() {
  awk '
    function flush() { if (kind == "Deployment") print name images; kind = name = images = "" }
    /^---/ {flush(); next}
    /^kind: / {kind = $2}
    /^  name: / {name = $2}
    /^ +(- )?image: / && !index(images " ", " " $NF " ") {images = images " " $NF}
    END {flush()}'
}

pin() {  # OVERLAY DIR: writes into DIR an overlay of OVERLAY whose pods say which images they are of
  local name ref content refs
  {
    echo "apiVersion: kustomize.config.k8s.io/v1beta1"
    echo "kind: Kustomization"
    echo "resources: [$(realpath --relative-to "$2" "$1")]"
    echo "patches:"
  } >"$2/kustomization.yaml"
  kubectl kustomize "$1" | images_of_deployments | while read -r name refs; do
    content=
    for ref in $refs; do content+=$(content_of "$ref"); done
    [[ -n $content ]] || continue
    cat <<YAML
- target: {kind: Deployment, name: $name}
  patch: |-
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: $name}
    spec: {template: {metadata: {annotations: {quarterdeck.dev/images: "$(sha256sum <<<"$content" | cut -c1-32)"}}}}
YAML
  done >>"$2/kustomization.yaml"
}
