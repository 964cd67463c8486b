-- Places on a plane
SELECT id, round((point(id, 0) <-> point(0, 4))::numeric, 4) AS a, box(point(0, 0), point(3, 3)) @> point(id, 1) AS b, area(circle(point(0, 0), 1))::numeric(8, 4) AS c
FROM customers
WHERE id <= 4
ORDER BY id;
