variable "bucket" { type = string }
variable "folder_id" { type = string }
variable "kms_key_id" { type = string }
variable "force_destroy" { type = bool }
