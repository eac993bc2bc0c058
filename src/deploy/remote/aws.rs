//! Buckets at S3 and distributions at CloudFront: the one file that names the two SDKs.
