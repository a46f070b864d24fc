# Images of the server and of the page. The last ten versions are kept, so that an older one can be rolled back to.

resource "yandex_container_registry" "this" {
  name = var.name
}

resource "yandex_container_registry_iam_binding" "pullers" {
  registry_id = yandex_container_registry.this.id
  role        = "container-registry.images.puller"
  members     = [for id in var.puller_ids : "serviceAccount:${id}"]
}

resource "yandex_container_repository" "this" {
  for_each = var.repositories
  name     = "${yandex_container_registry.this.id}/${each.key}"
}

resource "yandex_container_repository_lifecycle_policy" "this" {
  for_each      = var.repositories
  name          = "keep-ten"
  status        = "active"
  repository_id = yandex_container_repository.this[each.key].id

  rule {
    description   = "Images that no tag names any more"
    untagged      = true
    expire_period = "48h"
  }

  rule {
    description   = "All but the ten newest versions"
    tag_regexp    = ".*"
    retained_top  = 10
    expire_period = "720h"
  }
}
