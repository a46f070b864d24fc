variable "name" { type = string }
variable "folder_id" { type = string }
variable "retention_days" { type = number }
variable "alerts_account_id" { type = string }
variable "kms_key_id" { type = string }

variable "alert_webhook_url" {
  description = "Where errors are announced, or null."
  type        = string
  sensitive   = true
}
