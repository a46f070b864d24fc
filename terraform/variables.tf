# What everybody has to say, or may want to. Sizes are in variables_sizes.tf.

variable "cloud_id" {
  description = "The cloud: `yc config get cloud-id`."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{19}$", var.cloud_id))
    error_message = "cloud_id is 20 lower-case letters and digits, as `yc config get cloud-id` prints it."
  }
}

variable "folder_id" {
  description = "The folder that everything is made in: `yc config get folder-id`. Best one of its own."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{19}$", var.folder_id))
    error_message = "folder_id is 20 lower-case letters and digits, as `yc config get folder-id` prints it."
  }
}

variable "zone" {
  description = "The availability zone."
  type        = string
  default     = "ru-central1-a"

  validation {
    condition     = contains(["ru-central1-a", "ru-central1-b", "ru-central1-d"], var.zone)
    error_message = "zone is ru-central1-a, ru-central1-b or ru-central1-d (ru-central1-c takes no new machines)."
  }
}

variable "name" {
  description = "What the name of everything begins with."
  type        = string
  default     = "fishid"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.name))
    error_message = "name is 3 to 20 lower-case letters, digits and hyphens, beginning with a letter."
  }
}

variable "bucket_name" {
  description = "The bucket; names are shared by all clouds. Left out: NAME-FOLDER_ID."
  type        = string
  default     = null

  validation {
    condition     = var.bucket_name == null || can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket_name))
    error_message = "bucket_name is 3 to 63 lower-case letters, digits and hyphens; a dot would break TLS."
  }
}

variable "services_subnet_cidr" {
  description = "The subnet of PostgreSQL, Airflow and the Data Processing clusters."
  type        = string
  default     = "10.11.0.0/24"

  validation {
    condition     = can(cidrnetmask(var.services_subnet_cidr)) && can(regex("/(1[6-9]|2[0-6])$", var.services_subnet_cidr))
    error_message = "services_subnet_cidr is an IPv4 range from /16 to /26, such as 10.11.0.0/24."
  }
}

variable "k8s_subnet_cidr" {
  description = "The subnet of the Kubernetes nodes."
  type        = string
  default     = "10.12.0.0/16"

  validation {
    condition     = can(cidrnetmask(var.k8s_subnet_cidr)) && can(regex("/(1[6-9]|2[0-6])$", var.k8s_subnet_cidr))
    error_message = "k8s_subnet_cidr is an IPv4 range from /16 to /26, such as 10.12.0.0/16."
  }
}

variable "admin_cidrs" {
  description = "From where people reach the Kubernetes API, Grafana and MLflow."
  type        = list(string)

  validation {
    condition     = length(var.admin_cidrs) > 0 && alltrue([for cidr in var.admin_cidrs : can(cidrnetmask(cidr)) && !endswith(cidr, "/0")])
    error_message = "admin_cidrs are the IPv4 ranges of your own network, such as [\"203.0.113.7/32\"]; the whole internet (/0) is not taken."
  }
}

variable "frontend_cidrs" {
  description = "Who reaches the page and the API."
  type        = list(string)
  default     = ["0.0.0.0/0"]

  validation {
    condition     = length(var.frontend_cidrs) > 0 && alltrue([for cidr in var.frontend_cidrs : can(cidrnetmask(cidr))])
    error_message = "frontend_cidrs are IPv4 ranges; [\"0.0.0.0/0\"] is everybody."
  }
}

variable "ssh_public_key_path" {
  description = "The public key that enters the Kubernetes nodes; without one they are entered by `kubectl debug node` alone."
  type        = string
  default     = null

  validation {
    condition     = var.ssh_public_key_path == null || can(regex("^(ssh-|ecdsa-|sk-)", file(pathexpand(coalesce(var.ssh_public_key_path, "/")))))
    error_message = "ssh_public_key_path names no readable OpenSSH public key (a file that begins with ssh-ed25519 or ssh-rsa)."
  }
}

variable "postgres_airflow_password" {
  description = "Password of the database user `airflow`; left out, Lockbox makes one."
  type        = string
  default     = null
  sensitive   = true

  validation {
    condition     = var.postgres_airflow_password == null || can(regex("^[^\\s'\"@/:]{12,128}$", coalesce(var.postgres_airflow_password, "-")))
    error_message = "postgres_airflow_password has 12 to 128 characters and no blank, quote, @, / or : (it stands in a URL). Leave it out to get a generated one."
  }
}

variable "grafana_admin_password" {
  description = "Password of Grafana's `admin`; left out, Lockbox makes one."
  type        = string
  default     = null
  sensitive   = true

  validation {
    condition     = var.grafana_admin_password == null || can(regex("^.{12,128}$", coalesce(var.grafana_admin_password, "-")))
    error_message = "grafana_admin_password has 12 to 128 characters. Leave it out to get a generated one."
  }
}

variable "airflow_admin_password" {
  description = "Password of Airflow's `admin`; left out, Lockbox makes one."
  type        = string
  default     = null
  sensitive   = true

  validation {
    condition = var.airflow_admin_password == null || (
      can(regex("^.{12,128}$", coalesce(var.airflow_admin_password, "-"))) &&
      can(regex("[a-z]", coalesce(var.airflow_admin_password, "-"))) &&
      can(regex("[A-Z]", coalesce(var.airflow_admin_password, "-"))) &&
      can(regex("[0-9]", coalesce(var.airflow_admin_password, "-")))
    )
    error_message = "airflow_admin_password has 12 to 128 characters, among them a small letter, a capital and a digit. Leave it out to get a generated one."
  }
}

variable "alert_webhook_url" {
  description = "Where errors in the logs are announced: an https address that takes JSON `{\"text\": …}`. Left out: nobody is told."
  type        = string
  default     = null
  sensitive   = true

  validation {
    condition     = var.alert_webhook_url == null || can(regex("^https://[^\\s]+$", coalesce(var.alert_webhook_url, "-")))
    error_message = "alert_webhook_url is an https:// address that takes a JSON object with `text`."
  }
}

variable "deletion_protection" {
  description = "Keep the database, Airflow and the secrets from being deleted. `make destroy` lifts it first."
  type        = bool
  default     = true
}

variable "bucket_force_destroy" {
  description = "Delete the bucket with everything in it. Only `make destroy DELETE_BUCKET=1` sets it."
  type        = bool
  default     = false
}
