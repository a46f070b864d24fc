variable "name" { type = string }
variable "folder_id" { type = string }
