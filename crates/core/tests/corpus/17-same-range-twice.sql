-- Orders and events of the same days
SELECT (SELECT count(*) FROM orders WHERE shipped_on BETWEEN '2025-06-01' AND '2025-06-30') AS shipped,
       (SELECT count(*) FROM events WHERE happened >= '2025-06-01' AND happened < '2025-07-01') AS events
ORDER BY 1, 2;
