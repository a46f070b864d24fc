output "key_id" {
  value      = yandex_kms_symmetric_key.this.id
  depends_on = [yandex_kms_symmetric_key_iam_binding.users]
}
