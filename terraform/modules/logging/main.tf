# One log group for the API, Airflow, Spark and Kubernetes, and who is told of errors in it. The provider has no alert
# as a resource; a trigger on the group calls a function that sends what it got to an address of one's own.

locals {
  # That an address was given is no secret.
  announced = nonsensitive(var.alert_webhook_url != null)
  archive   = "${path.module}/log_alert.zip"
}

resource "yandex_logging_group" "this" {
  name             = var.name
  folder_id        = var.folder_id
  description      = "API, Airflow, Spark, Kubernetes"
  retention_period = "${var.retention_days * 24}h"
}

resource "yandex_lockbox_secret" "webhook" {
  count       = local.announced ? 1 : 0
  name        = "${var.name}-alert-webhook"
  description = "Address that errors in the logs are announced to"
  kms_key_id  = var.kms_key_id
}

resource "yandex_lockbox_secret_version" "webhook" {
  count     = local.announced ? 1 : 0
  secret_id = yandex_lockbox_secret.webhook[0].id

  entries {
    key        = "url"
    text_value = var.alert_webhook_url
  }
}

resource "yandex_lockbox_secret_iam_binding" "webhook" {
  count     = local.announced ? 1 : 0
  secret_id = yandex_lockbox_secret.webhook[0].id
  role      = "lockbox.payloadViewer"
  members   = ["serviceAccount:${var.alerts_account_id}"]
}

resource "yandex_function" "log_alert" {
  count              = local.announced ? 1 : 0
  name               = "${var.name}-log-alert"
  description        = "Announces errors in the logs"
  user_hash          = filesha256(local.archive)
  runtime            = "python312"
  entrypoint         = "log_alert.handler"
  memory             = 128
  execution_timeout  = "15"
  service_account_id = var.alerts_account_id

  # Made from log_alert.py by modules/logging/pack.py; a test holds that they agree.
  content {
    zip_filename = local.archive
  }

  secrets {
    id                   = yandex_lockbox_secret.webhook[0].id
    version_id           = yandex_lockbox_secret_version.webhook[0].id
    key                  = "url"
    environment_variable = "WEBHOOK_URL"
  }

  depends_on = [yandex_lockbox_secret_iam_binding.webhook]
}

resource "yandex_function_iam_binding" "invoker" {
  count       = local.announced ? 1 : 0
  function_id = yandex_function.log_alert[0].id
  role        = "functions.functionInvoker"
  members     = ["serviceAccount:${var.alerts_account_id}"]
}

resource "yandex_function_trigger" "errors" {
  count       = local.announced ? 1 : 0
  name        = "${var.name}-errors"
  description = "Errors of the last minute, together"

  logging {
    group_id       = yandex_logging_group.this.id
    levels         = ["ERROR", "FATAL"]
    resource_ids   = []
    resource_types = []
    stream_names   = []
    batch_cutoff   = 60
    batch_size     = 100
  }

  function {
    id                 = yandex_function.log_alert[0].id
    service_account_id = var.alerts_account_id
    retry_attempts     = 3
    retry_interval     = 30
  }

  depends_on = [yandex_function_iam_binding.invoker]
}
