# Passwords live in Lockbox. Those that no resource here takes as an argument never come into the state: Lockbox
# makes them, or their hash alone is kept.

locals {
  passwords = {
    postgres-airflow = "Database user airflow"
    postgres-mlflow  = "Database user mlflow"
    airflow-admin    = "Airflow's page"
    grafana-admin    = "Grafana's page"
    redis            = "The API's shared cache"
  }

  # Resources of the provider that take a password as an argument, which is in the state whatever one does.
  read_back = toset(["postgres-airflow", "postgres-mlflow", "airflow-admin"])

  # That a password was given is no secret.
  given      = nonsensitive(toset([for name, value in var.given : name if value != null]))
  generated  = setsubtract(toset(keys(local.passwords)), local.given)
  in_cluster = toset(["postgres-mlflow", "grafana-admin", "redis"])
}

resource "yandex_lockbox_secret" "password" {
  for_each            = local.passwords
  name                = "${var.name}-${each.key}"
  description         = each.value
  kms_key_id          = var.kms_key_id
  deletion_protection = var.deletion_protection

  dynamic "password_payload_specification" {
    for_each = contains(local.generated, each.key) ? [1] : []
    content {
      password_key = "password"
      length       = 32
      # It stands in a database URL.
      include_punctuation = false
    }
  }
}

resource "yandex_lockbox_secret_version_hashed" "given" {
  for_each     = local.given
  secret_id    = yandex_lockbox_secret.password[each.key].id
  key_1        = "password"
  text_value_1 = var.given[each.key]
}

# Asked while applying, once the secret is there: planning from nothing needs no network.
data "yandex_lockbox_secret_version" "generated" {
  for_each  = setintersection(local.generated, local.read_back)
  secret_id = yandex_lockbox_secret.password[each.key].id
}

resource "yandex_lockbox_secret" "bucket" {
  name                = "${var.name}-bucket"
  description         = "Static key of the bucket, for MLflow and the API"
  kms_key_id          = var.kms_key_id
  deletion_protection = var.deletion_protection
}

resource "yandex_iam_service_account_static_access_key" "bucket" {
  service_account_id = var.bucket_account_id
  description        = "Bucket: MLflow and the API"

  output_to_lockbox {
    secret_id            = yandex_lockbox_secret.bucket.id
    entry_for_access_key = "access_key"
    entry_for_secret_key = "secret_key"
  }
}

resource "yandex_lockbox_secret_iam_binding" "cluster" {
  for_each  = local.in_cluster
  secret_id = yandex_lockbox_secret.password[each.key].id
  role      = "lockbox.payloadViewer"
  members   = ["serviceAccount:${var.cluster_reader_id}"]
}

resource "yandex_lockbox_secret_iam_binding" "bucket" {
  secret_id = yandex_lockbox_secret.bucket.id
  role      = "lockbox.payloadViewer"
  members   = ["serviceAccount:${var.cluster_reader_id}"]
}
