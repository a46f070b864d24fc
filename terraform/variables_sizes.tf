# Sizes. The defaults are the row `medium` of docs/DEPLOYMENT_AUTO.md, where each size has its price.

variable "k8s_version" {
  description = "Kubernetes of masters and nodes."
  type        = string
  default     = "1.30"

  validation {
    condition     = can(regex("^1\\.(3[0-9])$", var.k8s_version))
    error_message = "k8s_version is 1.30 or newer, without a patch level."
  }
}

variable "node_cores" {
  description = "vCPUs of a node."
  type        = number
  default     = 4

  validation {
    condition     = contains([2, 4, 6, 8, 12, 16, 20, 24, 28, 32], var.node_cores)
    error_message = "node_cores is a size of the platform standard-v3: 2, 4, 6, 8, 12, 16, 20, 24, 28 or 32."
  }
}

variable "node_memory_gb" {
  description = "Memory of a node."
  type        = number
  default     = 8

  validation {
    condition     = var.node_memory_gb >= 4 && var.node_memory_gb <= 256
    error_message = "node_memory_gb is 4 to 256, and 1 to 16 GB a vCPU."
  }
}

variable "nodes_min" {
  description = "Fewest nodes."
  type        = number
  default     = 3

  validation {
    condition     = var.nodes_min >= 1 && var.nodes_min <= 100 && floor(var.nodes_min) == var.nodes_min
    error_message = "nodes_min is a whole number from 1 to 100; 3 hold the three API replicas on nodes of their own."
  }
}

variable "nodes_max" {
  description = "Most nodes. The API's autoscaler asks for up to 20 replicas."
  type        = number
  default     = 8

  validation {
    condition     = var.nodes_max >= 1 && var.nodes_max <= 100 && floor(var.nodes_max) == var.nodes_max
    error_message = "nodes_max is a whole number from 1 to 100."
  }
}

variable "nodes_preemptible" {
  description = "Nodes that cost a third and live 24 hours at most: for trying, not for production."
  type        = bool
  default     = false
}

variable "postgres_preset" {
  description = "Size of a PostgreSQL host."
  type        = string
  default     = "s3-c2-m8"

  validation {
    condition     = can(regex("^[a-z][0-9]-(c[0-9]+-m[0-9]+|micro|small)$", var.postgres_preset))
    error_message = "postgres_preset is a preset such as s3-c2-m8 (2 vCPUs, 8 GB)."
  }
}

variable "postgres_disk_gb" {
  description = "Disk of a PostgreSQL host; it grows by itself up to four times as much."
  type        = number
  default     = 20

  validation {
    condition     = var.postgres_disk_gb >= 10 && var.postgres_disk_gb <= 2048
    error_message = "postgres_disk_gb is 10 to 2048."
  }
}

variable "postgres_hosts" {
  description = "PostgreSQL hosts; a second takes over when the first fails."
  type        = number
  default     = 1

  validation {
    condition     = contains([1, 2, 3], var.postgres_hosts)
    error_message = "postgres_hosts is 1, 2 or 3."
  }
}

variable "airflow_preset" {
  description = "Size of each Airflow component."
  type        = string
  default     = "c1-m4"

  validation {
    condition     = can(regex("^c[0-9]+-m[0-9]+$", var.airflow_preset))
    error_message = "airflow_preset is a preset such as c1-m4 (1 vCPU, 4 GB)."
  }
}

variable "airflow_workers_max" {
  description = "Most Airflow workers; the work is on Spark, so that one is nearly always enough."
  type        = number
  default     = 2

  validation {
    condition     = var.airflow_workers_max >= 1 && var.airflow_workers_max <= 16
    error_message = "airflow_workers_max is 1 to 16."
  }
}

variable "log_retention_days" {
  description = "How long logs are kept."
  type        = number
  default     = 14

  validation {
    condition     = var.log_retention_days >= 1 && var.log_retention_days <= 31
    error_message = "log_retention_days is 1 to 31."
  }
}
