# Twenty replicas at a peak, and a database that outlives the loss of a host.
# cat terraform/sizes/large.tfvars >> terraform/terraform.tfvars
node_cores          = 8
node_memory_gb      = 16
nodes_min           = 3
nodes_max           = 12
nodes_preemptible   = false
postgres_preset     = "s3-c4-m16"
postgres_disk_gb    = 100
postgres_hosts      = 2
airflow_preset      = "c2-m8"
airflow_workers_max = 4
log_retention_days  = 31
