# One network, two subnets. No machine has a public address of its own: they go out through a NAT gateway, and
# come in through a load balancer.

resource "yandex_vpc_network" "this" {
  name = var.name
}

resource "yandex_vpc_gateway" "nat" {
  name = "${var.name}-nat"
  shared_egress_gateway {}
}

resource "yandex_vpc_route_table" "nat" {
  name       = "${var.name}-nat"
  network_id = yandex_vpc_network.this.id

  static_route {
    destination_prefix = "0.0.0.0/0"
    gateway_id         = yandex_vpc_gateway.nat.id
  }
}

resource "yandex_vpc_subnet" "services" {
  name           = "${var.name}-services"
  network_id     = yandex_vpc_network.this.id
  zone           = var.zone
  v4_cidr_blocks = [var.services_subnet_cidr]
  route_table_id = yandex_vpc_route_table.nat.id
}

resource "yandex_vpc_subnet" "k8s" {
  name           = "${var.name}-k8s"
  network_id     = yandex_vpc_network.this.id
  zone           = var.zone
  v4_cidr_blocks = [var.k8s_subnet_cidr]
  route_table_id = yandex_vpc_route_table.nat.id
}
