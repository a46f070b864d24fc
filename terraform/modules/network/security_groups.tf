# One group a role. What is not named here does not get through.

locals {
  # From where the provider's load balancers ask for health.
  load_balancer_health = ["198.18.235.0/24", "198.18.248.0/24"]
  node_ports           = { from = 30000, to = 32767 }
}

resource "yandex_vpc_security_group" "masters" {
  name        = "${var.name}-masters"
  description = "The Kubernetes API"
  network_id  = yandex_vpc_network.this.id

  ingress {
    description    = "People, and the deployment"
    protocol       = "TCP"
    port           = 443
    v4_cidr_blocks = var.admin_cidrs
  }

  ingress {
    description    = "Nodes and pods"
    protocol       = "TCP"
    port           = 443
    v4_cidr_blocks = [var.k8s_subnet_cidr, var.pods_cidr]
  }

  ingress {
    description    = "Nodes and pods"
    protocol       = "TCP"
    port           = 6443
    v4_cidr_blocks = [var.k8s_subnet_cidr, var.pods_cidr]
  }

  egress {
    description    = "Nodes, pods, webhooks"
    protocol       = "ANY"
    from_port      = 0
    to_port        = 65535
    v4_cidr_blocks = [var.k8s_subnet_cidr, var.pods_cidr, var.cluster_services_cidr]
  }
}

resource "yandex_vpc_security_group" "nodes" {
  name        = "${var.name}-nodes"
  description = "Kubernetes nodes"
  network_id  = yandex_vpc_network.this.id

  ingress {
    description    = "Masters, nodes and pods among themselves"
    protocol       = "ANY"
    from_port      = 0
    to_port        = 65535
    v4_cidr_blocks = [var.k8s_subnet_cidr, var.pods_cidr, var.cluster_services_cidr]
  }

  ingress {
    description    = "Health checks of the load balancers"
    protocol       = "TCP"
    from_port      = local.node_ports.from
    to_port        = local.node_ports.to
    v4_cidr_blocks = local.load_balancer_health
  }

  ingress {
    description    = "The page, Grafana and MLflow: a network load balancer keeps the caller's address, and each service names who may call it (loadBalancerSourceRanges)"
    protocol       = "TCP"
    from_port      = local.node_ports.from
    to_port        = local.node_ports.to
    v4_cidr_blocks = distinct(concat(var.frontend_cidrs, var.admin_cidrs))
  }

  ingress {
    description    = "Training and Airflow to MLflow and the Pushgateway"
    protocol       = "TCP"
    from_port      = local.node_ports.from
    to_port        = local.node_ports.to
    v4_cidr_blocks = [var.services_subnet_cidr]
  }

  egress {
    description    = "Registries, bucket, logs, database"
    protocol       = "ANY"
    from_port      = 0
    to_port        = 65535
    v4_cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "yandex_vpc_security_group" "postgresql" {
  name        = "${var.name}-postgresql"
  description = "The database: its port, for nodes, pods and Airflow"
  network_id  = yandex_vpc_network.this.id

  ingress {
    description    = "The pooler's port"
    protocol       = "TCP"
    port           = 6432
    v4_cidr_blocks = [var.k8s_subnet_cidr, var.pods_cidr, var.services_subnet_cidr]
  }
}

resource "yandex_vpc_security_group" "airflow" {
  name        = "${var.name}-airflow"
  description = "Airflow's own components"
  network_id  = yandex_vpc_network.this.id

  ingress {
    description       = "Among themselves"
    protocol          = "ANY"
    from_port         = 0
    to_port           = 65535
    predefined_target = "self_security_group"
  }

  egress {
    description    = "The cloud's interfaces, bucket, MLflow"
    protocol       = "ANY"
    from_port      = 0
    to_port        = 65535
    v4_cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "yandex_vpc_security_group" "data_processing" {
  name        = "${var.name}-data-processing"
  description = "Hosts of the Spark clusters that the training DAG makes and deletes"
  network_id  = yandex_vpc_network.this.id

  ingress {
    description       = "Among themselves"
    protocol          = "ANY"
    from_port         = 0
    to_port           = 65535
    predefined_target = "self_security_group"
  }

  egress {
    description       = "Among themselves"
    protocol          = "ANY"
    from_port         = 0
    to_port           = 65535
    predefined_target = "self_security_group"
  }

  egress {
    description    = "The cloud's interfaces, bucket, package index"
    protocol       = "TCP"
    port           = 443
    v4_cidr_blocks = ["0.0.0.0/0"]
  }

  egress {
    description    = "Time"
    protocol       = "UDP"
    port           = 123
    v4_cidr_blocks = ["0.0.0.0/0"]
  }

  egress {
    description    = "MLflow and the Pushgateway, inside the network"
    protocol       = "TCP"
    from_port      = 1
    to_port        = 65535
    v4_cidr_blocks = [var.k8s_subnet_cidr, var.services_subnet_cidr]
  }
}
