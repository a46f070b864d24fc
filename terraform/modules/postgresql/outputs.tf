output "cluster_id" { value = yandex_mdb_postgresql_cluster.this.id }

output "host" {
  description = "A name that always leads to the host that writes."
  value       = "c-${yandex_mdb_postgresql_cluster.this.id}.rw.mdb.yandexcloud.net"
}
