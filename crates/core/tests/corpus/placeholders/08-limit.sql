-- A placeholder as a number
SELECT id FROM orders WHERE shipped_on <= :end_date ORDER BY id LIMIT :day_range;
