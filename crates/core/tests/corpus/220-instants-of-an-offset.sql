-- Days of two hours before UTC, on both ends
SELECT min(created) AS first, max(created) AS last FROM orders
WHERE created >= timestamptz '2025-02-01T00:00:00+02:00' AND created <= timestamptz '2025-02-28T23:59:59.999999+02:00' ORDER BY 1;
