output "cluster_id" { value = yandex_airflow_cluster.this.id }
output "url" { value = "https://c-${yandex_airflow_cluster.this.id}.airflow.yandexcloud.net" }
