-- FETCH FIRST and tablesample of everything
SELECT id FROM orders TABLESAMPLE SYSTEM (100) WHERE shipped_on >= '2025-06-01' AND shipped_on <= '2025-06-30'
ORDER BY id DESC FETCH FIRST 5 ROWS WITH TIES;
