SELECT pg_database_size('postgres') AS a;
