-- The window against the one before
SELECT sum(amount) FILTER (WHERE shipped_on BETWEEN :start_date AND :end_date) AS this,
  sum(amount) FILTER (WHERE shipped_on >= :start_date - (:end_date - :start_date + 1) AND shipped_on < :start_date) AS previous
FROM orders ORDER BY 1;
