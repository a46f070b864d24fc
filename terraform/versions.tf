terraform {
  required_version = ">= 1.5"

  required_providers {
    yandex = {
      source = "yandex-cloud/yandex"
      # The release whose schema the tests read. A later 0.x is taken only after they passed with it.
      version = "~> 0.130.0"
    }
  }
}

# Who deploys: YC_TOKEN (`yc iam create-token`) or YC_SERVICE_ACCOUNT_KEY_FILE in the environment, never in a file here.
provider "yandex" {
  cloud_id  = var.cloud_id
  folder_id = var.folder_id
  zone      = var.zone
}
