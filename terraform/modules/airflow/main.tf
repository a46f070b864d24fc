# Managed Airflow. It reads its DAGs from the bucket, and connections and variables from Lockbox; the Spark clusters
# are made and deleted by the DAG, so that nothing of them is paid for while idle.

resource "yandex_airflow_cluster" "this" {
  name                = var.name
  folder_id           = var.folder_id
  service_account_id  = var.account_id
  subnet_ids          = [var.subnet_id]
  security_group_ids  = [var.security_group_id]
  admin_password      = var.admin_password
  deletion_protection = var.deletion_protection

  code_sync = {
    s3 = {
      bucket = var.bucket
    }
  }

  webserver = {
    count              = 1
    resource_preset_id = var.preset
  }

  scheduler = {
    count              = 1
    resource_preset_id = var.preset
  }

  worker = {
    min_count          = 1
    max_count          = var.workers_max
    resource_preset_id = var.preset
  }

  airflow_config = {
    core = {
      load_examples = "False"
      # The same as in docs/AIRFLOW.md: DAGs stand still until somebody starts them.
      dags_are_paused_at_creation = "True"
    }
  }

  pip_packages = ["apache-airflow-providers-yandex==4.2.1", "boto3"]

  lockbox_secrets_backend = {
    enabled = true
  }

  logging = {
    enabled      = true
    log_group_id = var.log_group_id
    min_level    = "INFO"
  }
}
