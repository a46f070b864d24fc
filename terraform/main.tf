# Everything fishid needs in one folder of Yandex Cloud. docs/DEPLOYMENT_AUTO.md says what it costs.
#
# MLflow, Prometheus and Grafana run in the Kubernetes cluster, not on machines of their own: their data lie in
# PostgreSQL, the bucket and one disk each; nodes for the API are there anyway; a machine each would have to be
# patched, watched and paid for all day, and would need its own TLS, log shipping and keys.

locals {
  # Pods and services of the cluster: outside of both subnets, and of what the README's subnets grow into.
  pods_cidr             = "10.112.0.0/16"
  cluster_services_cidr = "10.96.0.0/16"
  bucket                = coalesce(var.bucket_name, "${var.name}-${var.folder_id}")
  ssh_public_key        = var.ssh_public_key_path == null ? null : trimspace(file(pathexpand(var.ssh_public_key_path)))
  accounts              = module.identity.account_ids
}

module "network" {
  source                = "./modules/network"
  name                  = var.name
  zone                  = var.zone
  services_subnet_cidr  = var.services_subnet_cidr
  k8s_subnet_cidr       = var.k8s_subnet_cidr
  pods_cidr             = local.pods_cidr
  cluster_services_cidr = local.cluster_services_cidr
  admin_cidrs           = var.admin_cidrs
  frontend_cidrs        = var.frontend_cidrs
}

module "identity" {
  source    = "./modules/identity"
  name      = var.name
  folder_id = var.folder_id
}

module "encryption" {
  source      = "./modules/encryption"
  name        = var.name
  account_ids = [for role in ["cluster", "airflow", "data", "bucket", "secrets", "alerts"] : local.accounts[role]]
}

module "secrets" {
  source              = "./modules/secrets"
  name                = var.name
  kms_key_id          = module.encryption.key_id
  deletion_protection = var.deletion_protection
  bucket_account_id   = local.accounts["bucket"]
  cluster_reader_id   = local.accounts["secrets"]

  given = {
    postgres-airflow = var.postgres_airflow_password
    grafana-admin    = var.grafana_admin_password
    airflow-admin    = var.airflow_admin_password
  }
}

module "storage" {
  source        = "./modules/storage"
  bucket        = local.bucket
  folder_id     = var.folder_id
  kms_key_id    = module.encryption.key_id
  force_destroy = var.bucket_force_destroy
}

module "registry" {
  source       = "./modules/registry"
  name         = var.name
  puller_ids   = [local.accounts["nodes"]]
  repositories = ["fishid-server", "fishid-frontend"]
}

module "logging" {
  source            = "./modules/logging"
  name              = var.name
  folder_id         = var.folder_id
  retention_days    = var.log_retention_days
  alerts_account_id = local.accounts["alerts"]
  alert_webhook_url = var.alert_webhook_url
  kms_key_id        = module.encryption.key_id
}

module "kubernetes" {
  source                    = "./modules/kubernetes"
  name                      = var.name
  zone                      = var.zone
  k8s_version               = var.k8s_version
  network_id                = module.network.network_id
  subnet_id                 = module.network.k8s_subnet_id
  pods_cidr                 = local.pods_cidr
  services_cidr             = local.cluster_services_cidr
  masters_security_group_id = module.network.security_group_ids["masters"]
  nodes_security_group_id   = module.network.security_group_ids["nodes"]
  cluster_account_id        = local.accounts["cluster"]
  nodes_account_id          = local.accounts["nodes"]
  kms_key_id                = module.encryption.key_id
  log_group_id              = module.logging.log_group_id
  ssh_public_key            = local.ssh_public_key

  nodes = {
    cores       = var.node_cores
    memory_gb   = var.node_memory_gb
    min         = var.nodes_min
    max         = var.nodes_max
    preemptible = var.nodes_preemptible
  }
}

module "postgresql" {
  source              = "./modules/postgresql"
  name                = var.name
  zone                = var.zone
  network_id          = module.network.network_id
  subnet_id           = module.network.services_subnet_id
  security_group_id   = module.network.security_group_ids["postgresql"]
  preset              = var.postgres_preset
  disk_gb             = var.postgres_disk_gb
  hosts               = var.postgres_hosts
  deletion_protection = var.deletion_protection

  passwords = {
    airflow = module.secrets.passwords["postgres-airflow"]
    mlflow  = module.secrets.passwords["postgres-mlflow"]
  }
}

module "airflow" {
  source              = "./modules/airflow"
  name                = var.name
  folder_id           = var.folder_id
  subnet_id           = module.network.services_subnet_id
  security_group_id   = module.network.security_group_ids["airflow"]
  account_id          = local.accounts["airflow"]
  bucket              = module.storage.bucket
  log_group_id        = module.logging.log_group_id
  preset              = var.airflow_preset
  workers_max         = var.airflow_workers_max
  admin_password      = module.secrets.passwords["airflow-admin"]
  deletion_protection = var.deletion_protection
}
