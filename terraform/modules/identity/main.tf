# One service account a role. Roles on the whole folder are only those that the provider grants nowhere else;
# keys, secrets, registry and accounts are granted on the thing itself, in the module that makes it.

locals {
  accounts = {
    cluster     = "Kubernetes: makes nodes and load balancers"
    nodes       = "Kubernetes nodes: pull images, write logs. The service knows one account for both"
    airflow     = "Airflow: makes, uses and deletes Spark clusters"
    data        = "Hosts of the Spark clusters"
    autoscaling = "Grows and shrinks the Spark clusters"
    bucket      = "MLflow and the API: the objects of the bucket"
    secrets     = "External Secrets: reads the secrets that the cluster needs"
    alerts      = "Calls the function that announces errors in the logs"
  }

  folder_roles = {
    cluster     = ["k8s.clusters.agent", "vpc.publicAdmin", "load-balancer.admin", "logging.writer"]
    nodes       = ["logging.writer"]
    airflow     = ["managed-airflow.integrationProvider", "dataproc.editor", "dataproc.user", "vpc.user", "storage.editor", "logging.writer"]
    data        = ["dataproc.agent", "storage.editor", "logging.writer"]
    autoscaling = ["dataproc.provisioner", "vpc.user"]
    bucket      = ["storage.editor"]
    secrets     = []
    alerts      = []
  }

  grants = merge([
    for account, roles in local.folder_roles : {
      for role in roles : "${account} ${role}" => { account = account, role = role }
    }
  ]...)

  # A Spark cluster is made by Airflow and runs as `data`: who makes it must be allowed to hand that account on.
  hand_on = {
    "airflow data"        = { who = "airflow", account = "data" }
    "airflow autoscaling" = { who = "airflow", account = "autoscaling" }
    "autoscaling data"    = { who = "autoscaling", account = "data" }
    "data data"           = { who = "data", account = "data" }
  }
}

resource "yandex_iam_service_account" "this" {
  for_each    = local.accounts
  name        = "${var.name}-${each.key}"
  description = each.value
}

resource "yandex_resourcemanager_folder_iam_member" "this" {
  for_each  = local.grants
  folder_id = var.folder_id
  role      = each.value.role
  member    = "serviceAccount:${yandex_iam_service_account.this[each.value.account].id}"
}

resource "yandex_iam_service_account_iam_member" "hand_on" {
  for_each           = local.hand_on
  service_account_id = yandex_iam_service_account.this[each.value.account].id
  role               = "iam.serviceAccounts.user"
  member             = "serviceAccount:${yandex_iam_service_account.this[each.value.who].id}"
}
