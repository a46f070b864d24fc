terraform {
  required_version = ">= 1.5"
  required_providers {
    yandex = { source = "yandex-cloud/yandex" }
  }
}
