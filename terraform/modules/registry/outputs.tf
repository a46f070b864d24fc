output "registry" {
  description = "What an image's name begins with."
  value       = "cr.yandex/${yandex_container_registry.this.id}"
  depends_on  = [yandex_container_registry_iam_binding.pullers, yandex_container_repository.this]
}
