variable "name" { type = string }
variable "folder_id" { type = string }
variable "subnet_id" { type = string }
variable "security_group_id" { type = string }
variable "account_id" { type = string }
variable "bucket" { type = string }
variable "log_group_id" { type = string }
variable "preset" { type = string }
variable "workers_max" { type = number }
variable "deletion_protection" { type = bool }

variable "admin_password" {
  type      = string
  sensitive = true
}
