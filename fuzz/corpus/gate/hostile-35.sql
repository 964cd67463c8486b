SELECT 1 AS a FROM pg_subscription;
