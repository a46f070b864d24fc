variable "name" { type = string }
variable "zone" { type = string }
variable "k8s_version" { type = string }
variable "network_id" { type = string }
variable "subnet_id" { type = string }
variable "pods_cidr" { type = string }
variable "services_cidr" { type = string }
variable "masters_security_group_id" { type = string }
variable "nodes_security_group_id" { type = string }
variable "cluster_account_id" { type = string }
variable "nodes_account_id" { type = string }
variable "kms_key_id" { type = string }
variable "log_group_id" { type = string }

variable "ssh_public_key" {
  description = "Line of an OpenSSH public key, or null."
  type        = string
}

variable "nodes" {
  type = object({
    cores       = number
    memory_gb   = number
    min         = number
    max         = number
    preemptible = bool
  })
}
