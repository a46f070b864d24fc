# Managed Kubernetes with Cilium (network policies are enforced) and one node group that grows and shrinks.

resource "yandex_kubernetes_cluster" "this" {
  # checkov:skip=CKV_YC_16: network policies are Cilium's (network_implementation below); the argument that is asked for is Calico's, and one excludes the other
  # checkov:skip=CKV_YC_5: the deployment comes from outside of the network; the masters' security group lets admin_cidrs through alone, and the whole internet is refused there
  name                    = var.name
  network_id              = var.network_id
  cluster_ipv4_range      = var.pods_cidr
  service_ipv4_range      = var.services_cidr
  service_account_id      = var.cluster_account_id
  node_service_account_id = var.nodes_account_id
  release_channel         = "STABLE"

  network_implementation {
    cilium {}
  }

  kms_provider {
    key_id = var.kms_key_id
  }

  master {
    version = var.k8s_version
    # Reached by the deployment from admin_cidrs; the security group lets nobody else through.
    public_ip          = true
    security_group_ids = [var.masters_security_group_id]

    master_location {
      zone      = var.zone
      subnet_id = var.subnet_id
    }

    maintenance_policy {
      auto_upgrade = true

      maintenance_window {
        day        = "sunday"
        start_time = "01:00"
        duration   = "3h"
      }
    }

    master_logging {
      enabled                    = true
      log_group_id               = var.log_group_id
      audit_enabled              = true
      cluster_autoscaler_enabled = true
      events_enabled             = true
      kube_apiserver_enabled     = false
    }
  }
}

resource "yandex_kubernetes_node_group" "this" {
  cluster_id = yandex_kubernetes_cluster.this.id
  name       = "${var.name}-nodes"
  version    = var.k8s_version

  instance_template {
    platform_id = "standard-v3"
    metadata    = var.ssh_public_key == null ? {} : { ssh-keys = "fishid:${var.ssh_public_key}" }

    resources {
      cores  = var.nodes.cores
      memory = var.nodes.memory_gb
    }

    boot_disk {
      type = "network-ssd"
      size = 64
    }

    network_interface {
      subnet_ids         = [var.subnet_id]
      security_group_ids = [var.nodes_security_group_id]
      # Out through the NAT gateway.
      nat = false
    }

    container_runtime {
      type = "containerd"
    }

    scheduling_policy {
      preemptible = var.nodes.preemptible
    }
  }

  scale_policy {
    auto_scale {
      min     = var.nodes.min
      max     = var.nodes.max
      initial = var.nodes.min
    }
  }

  allocation_policy {
    location {
      zone = var.zone
    }
  }

  # A node more while they are renewed, none less.
  deploy_policy {
    max_expansion   = 1
    max_unavailable = 0
  }

  maintenance_policy {
    auto_upgrade = true
    auto_repair  = true

    maintenance_window {
      day        = "sunday"
      start_time = "02:00"
      duration   = "3h"
    }
  }

  lifecycle {
    precondition {
      condition     = var.nodes.max >= var.nodes.min
      error_message = "nodes_max (${var.nodes.max}) is less than nodes_min (${var.nodes.min})."
    }
  }
}
