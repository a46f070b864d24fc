variable "name" { type = string }
variable "zone" { type = string }
variable "services_subnet_cidr" { type = string }
variable "k8s_subnet_cidr" { type = string }
variable "admin_cidrs" { type = list(string) }
variable "frontend_cidrs" { type = list(string) }

variable "pods_cidr" {
  description = "Addresses of pods, outside of every subnet."
  type        = string
}

variable "cluster_services_cidr" {
  description = "Addresses of Kubernetes services, outside of every subnet."
  type        = string
}
