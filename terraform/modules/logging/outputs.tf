output "log_group_id" { value = yandex_logging_group.this.id }
