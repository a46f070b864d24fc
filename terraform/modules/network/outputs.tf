output "network_id" { value = yandex_vpc_network.this.id }
output "services_subnet_id" { value = yandex_vpc_subnet.services.id }
output "k8s_subnet_id" { value = yandex_vpc_subnet.k8s.id }

output "security_group_ids" {
  value = {
    masters         = yandex_vpc_security_group.masters.id
    nodes           = yandex_vpc_security_group.nodes.id
    postgresql      = yandex_vpc_security_group.postgresql.id
    airflow         = yandex_vpc_security_group.airflow.id
    data_processing = yandex_vpc_security_group.data_processing.id
  }
}
