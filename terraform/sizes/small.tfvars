# For trying it out: one node that may vanish within a day, the smallest database.
# cat terraform/sizes/small.tfvars >> terraform/terraform.tfvars
node_cores          = 4
node_memory_gb      = 8
nodes_min           = 1
nodes_max           = 2
nodes_preemptible   = true
postgres_preset     = "s3-c2-m8"
postgres_disk_gb    = 10
postgres_hosts      = 1
airflow_preset      = "c1-m4"
airflow_workers_max = 1
log_retention_days  = 3
