# The defaults, written out: three replicas of the API on nodes of their own.
# cat terraform/sizes/medium.tfvars >> terraform/terraform.tfvars
node_cores          = 4
node_memory_gb      = 8
nodes_min           = 3
nodes_max           = 8
nodes_preemptible   = false
postgres_preset     = "s3-c2-m8"
postgres_disk_gb    = 20
postgres_hosts      = 1
airflow_preset      = "c1-m4"
airflow_workers_max = 2
log_retention_days  = 14
