"""HTTP in front of moto: server, requests and answers, IAM calls, boto3 clients, access keys."""
