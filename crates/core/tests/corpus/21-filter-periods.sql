-- Two periods by FILTER inside one WHERE
SELECT sum(amount) FILTER (WHERE shipped_on BETWEEN '2025-05-01' AND '2025-05-31') AS may,
  sum(amount) FILTER (WHERE shipped_on BETWEEN '2025-06-01' AND '2025-06-30') AS june
FROM orders WHERE shipped_on BETWEEN '2025-05-01' AND '2025-06-30' ORDER BY 1;
