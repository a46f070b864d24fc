variable "name" { type = string }

variable "account_ids" {
  description = "Who reads and writes what the key encrypts."
  type        = list(string)
}
