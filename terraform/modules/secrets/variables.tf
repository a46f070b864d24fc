variable "name" { type = string }
variable "kms_key_id" { type = string }
variable "deletion_protection" { type = bool }

variable "given" {
  description = "Passwords that a person chose, by the secret's name; null: make one."
  type        = map(string)
  sensitive   = true
}

variable "bucket_account_id" {
  description = "Whose static key for the bucket is made."
  type        = string
}

variable "cluster_reader_id" {
  description = "The account that brings secrets into the Kubernetes cluster."
  type        = string
}
