# What the scripts behind `make` read. No secret is among them.

output "bucket" {
  description = "Photographs, models, DAGs."
  value       = module.storage.bucket
}

output "registry" {
  description = "What the names of the images begin with."
  value       = module.registry.registry
}

output "k8s_cluster_id" {
  value = module.kubernetes.cluster_id
}

output "k8s_endpoint" {
  value = module.kubernetes.endpoint
}

output "airflow_cluster_id" {
  value = module.airflow.cluster_id
}

output "airflow_url" {
  value = module.airflow.url
}

output "postgres_cluster_id" {
  value = module.postgresql.cluster_id
}

output "postgres_host" {
  description = "Port 6432, TLS."
  value       = module.postgresql.host
}

output "log_group_id" {
  value = module.logging.log_group_id
}

output "secret_ids" {
  description = "Lockbox secrets by what they hold; `yc lockbox payload get --id …` shows one."
  value       = module.secrets.secret_ids
}

output "service_account_ids" {
  description = "By role."
  value       = module.identity.account_ids
}

output "admin_cidrs" {
  description = "Who may call Grafana and MLflow: for loadBalancerSourceRanges."
  value       = var.admin_cidrs
}

output "training" {
  description = "The fields of Airflow's variable `fish_training` that are known here."
  value = {
    folder_id          = var.folder_id
    zone               = var.zone
    subnet_id          = module.network.services_subnet_id
    service_account_id = module.identity.account_ids["data"]
    security_group_ids = [module.network.security_group_ids["data_processing"]]
    bucket             = module.storage.bucket
    log_group_id       = module.logging.log_group_id
    code               = "s3a://${module.storage.bucket}/code"
    data               = "s3://${module.storage.bucket}/datasets/fish"
    work               = "s3://${module.storage.bucket}/work"
  }
}
