//go:build tools

// Package tools pins the Terraform provider that the tests read the schema of; go.sum holds its hashes.
// `go install PROVIDER@VERSION` refuses it, because its go.mod replaces modules.
package tools

import _ "github.com/yandex-cloud/terraform-provider-yandex"
