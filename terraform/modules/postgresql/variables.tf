variable "name" { type = string }
variable "zone" { type = string }
variable "network_id" { type = string }
variable "subnet_id" { type = string }
variable "security_group_id" { type = string }
variable "preset" { type = string }
variable "disk_gb" { type = number }
variable "hosts" { type = number }
variable "deletion_protection" { type = bool }

variable "passwords" {
  description = "By database, each of which has a user of the same name that owns it."
  type        = map(string)
  sensitive   = true
}
