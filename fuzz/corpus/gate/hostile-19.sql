SELECT (orders).pg_column_size AS a FROM orders;
