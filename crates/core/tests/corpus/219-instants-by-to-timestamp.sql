-- Created in February, by formats
SELECT count(*) AS orders FROM orders
WHERE created >= to_timestamp('2025-02-01 00:00:00.000000', 'YYYY-MM-DD HH24:MI:SS.US')
  AND created < to_timestamp('2025-03-01 00:00:00.000000', 'YYYY-MM-DD HH24:MI:SS.US')
  AND shipped_on >= to_date('2025-02-01', 'YYYY-MM-DD') AND shipped_on < to_date('2025-03-01', 'YYYY-MM-DD') ORDER BY 1;
