# One bucket: photographs (datasets/), embeddings and reports (work/), models (mlflow/), DAGs (dags/), the Spark
# job's code (code/), logs of Spark clusters (dataproc/).

resource "yandex_storage_bucket" "this" {
  bucket    = var.bucket
  folder_id = var.folder_id
  # A bucket with photographs in it is not deleted by a mistake.
  force_destroy = var.force_destroy

  anonymous_access_flags {
    read = false
    list = false
  }

  versioning {
    enabled = true
  }

  server_side_encryption_configuration {
    rule {
      apply_server_side_encryption_by_default {
        sse_algorithm     = "aws:kms"
        kms_master_key_id = var.kms_key_id
      }
    }
  }

  lifecycle_rule {
    id                                     = "parts of uploads that were never finished"
    enabled                                = true
    abort_incomplete_multipart_upload_days = 3
  }

  lifecycle_rule {
    id      = "what was overwritten or deleted"
    enabled = true

    noncurrent_version_expiration {
      days = 30
    }
  }

  lifecycle_rule {
    id      = "logs of Spark clusters"
    enabled = true

    filter {
      prefix = "dataproc/"
    }

    expiration {
      days = 30
    }
  }

  lifecycle_rule {
    id      = "embeddings, which can be computed again"
    enabled = true

    filter {
      prefix = "work/embeddings/"
    }

    expiration {
      days = 180
    }
  }

  # The service asks for the caller's role first, and for this policy after: it opens nothing to anybody, it shuts
  # out what comes without TLS. A policy that named callers would shut out whoever runs Terraform next.
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "without-tls"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = ["arn:aws:s3:::${var.bucket}", "arn:aws:s3:::${var.bucket}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
      {
        Sid       = "whoever-has-a-role"
        Effect    = "Allow"
        Principal = "*"
        Action    = "s3:*"
        Resource  = ["arn:aws:s3:::${var.bucket}", "arn:aws:s3:::${var.bucket}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "true" } }
      },
    ]
  })
}
