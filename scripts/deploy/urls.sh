#!/usr/bin/env bash
# Where everything is. A service that has no address yet says so.
target=print-urls
cd "$(dirname "$0")/../.."
. scripts/deploy/common.sh

need_tools terraform yc kubectl python3
read_outputs >/dev/null
enter_cluster >/dev/null

# `address NAME PORT`: the load balancer's, else that of a node and the port on it.
address() {
  local service found nodes node
  if [ -n "$DRY_RUN" ]; then
    printf 'http://<%s>:%s' "$1" "$2"
    return
  fi
  service=$(kube_asks get service --all-namespaces --field-selector "metadata.name=$1" --output json) || service='{"items":[]}'
  found=$(read_json load_balancer <<<"$service")
  if [ -n "$found" ]; then
    printf 'http://%s:%s' "$found" "$2"
    return
  fi
  if [ -z "$(read_json is_there <<<"$service")" ]; then
    printf 'not there'
    return
  fi
  found=$(read_json node_port <<<"$service")
  nodes=$(kube_asks get nodes --output json) || nodes='{"items":[]}'
  node=$(read_json node <<<"$nodes")
  if [ -n "$found" ] && [ -n "$node" ]; then
    printf 'http://%s:%s' "$node" "$found"
  else
    printf 'inside the cluster only: kubectl --kubeconfig %s port-forward --namespace %s service/%s %s' \
      "$KUBECONFIG_HERE" "$namespace" "$1" "$2"
  fi
}

printf 'Frontend: %s\n' "$(address frontend 80)"
printf 'Grafana:  %s\n' "$(address grafana 3000)"
printf 'MLflow:   %s\n' "$(address mlflow 5000)"
printf 'Airflow:  %s\n' "$(output airflow_url)"
