# One key for bucket, secrets and the Kubernetes secrets in etcd. A rotation keeps the old versions readable.

resource "yandex_kms_symmetric_key" "this" {
  name              = var.name
  description       = "Bucket, Lockbox and Kubernetes secrets"
  default_algorithm = "AES_256"
  rotation_period   = "8760h"
}

resource "yandex_kms_symmetric_key_iam_binding" "users" {
  symmetric_key_id = yandex_kms_symmetric_key.this.id
  role             = "kms.keys.encrypterDecrypter"
  members          = [for id in var.account_ids : "serviceAccount:${id}"]
}
