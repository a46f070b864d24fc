output "account_ids" {
  description = "The account of each role. They are given out only with the roles that they need."
  value       = { for role, account in yandex_iam_service_account.this : role => account.id }
  depends_on  = [yandex_resourcemanager_folder_iam_member.this, yandex_iam_service_account_iam_member.hand_on]
}
