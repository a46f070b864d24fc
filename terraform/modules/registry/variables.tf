variable "name" { type = string }

variable "puller_ids" {
  description = "Accounts that pull images."
  type        = list(string)
}

variable "repositories" {
  type = set(string)
}
