output "bucket" { value = yandex_storage_bucket.this.bucket }
