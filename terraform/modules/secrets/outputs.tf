output "passwords" {
  description = "Those that a resource takes as an argument."
  sensitive   = true
  value = {
    for name in local.read_back : name => (
      contains(local.given, name)
      ? var.given[name]
      : one([for entry in data.yandex_lockbox_secret_version.generated[name].entries : entry.text_value if entry.key == "password"])
    )
  }
}

output "secret_ids" {
  value = merge({ for name, secret in yandex_lockbox_secret.password : name => secret.id }, { bucket = yandex_lockbox_secret.bucket.id })
}
