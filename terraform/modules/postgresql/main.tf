# PostgreSQL for MLflow's records, and for Airflow where it is run by oneself: managed Airflow brings a database of
# its own. TLS is the service's own rule: a host refuses a connection without it.

locals {
  databases = toset(["airflow", "mlflow"])
}

resource "yandex_mdb_postgresql_cluster" "this" {
  name                = var.name
  environment         = "PRODUCTION"
  network_id          = var.network_id
  security_group_ids  = [var.security_group_id]
  deletion_protection = var.deletion_protection

  config {
    version = 16
    # Late enough for a weekend and a holiday to pass before somebody looks.
    backup_retain_period_days = 14

    resources {
      resource_preset_id = var.preset
      disk_type_id       = "network-ssd"
      disk_size          = var.disk_gb
    }

    disk_size_autoscaling {
      disk_size_limit           = var.disk_gb * 4
      planned_usage_threshold   = 80
      emergency_usage_threshold = 90
    }

    backup_window_start {
      hours   = 1
      minutes = 0
    }

    pooler_config {
      # MLflow keeps transactions open over several statements.
      pooling_mode = "SESSION"
    }

    access {
      web_sql       = false
      data_lens     = false
      serverless    = false
      data_transfer = false
    }

    performance_diagnostics {
      enabled                      = true
      sessions_sampling_interval   = 60
      statements_sampling_interval = 600
    }
  }

  maintenance_window {
    type = "WEEKLY"
    day  = "SUN"
    hour = 3
  }

  dynamic "host" {
    for_each = range(var.hosts)
    content {
      zone             = var.zone
      subnet_id        = var.subnet_id
      assign_public_ip = false
    }
  }
}

resource "yandex_mdb_postgresql_user" "this" {
  for_each   = local.databases
  cluster_id = yandex_mdb_postgresql_cluster.this.id
  name       = each.key
  password   = var.passwords[each.key]
  conn_limit = 40
}

resource "yandex_mdb_postgresql_database" "this" {
  for_each   = local.databases
  cluster_id = yandex_mdb_postgresql_cluster.this.id
  name       = each.key
  owner      = yandex_mdb_postgresql_user.this[each.key].name
}
