SELECT has_any_column_privilege('orders','select') AS a;
