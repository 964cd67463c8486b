-- Arrays of two dimensions
SELECT ARRAY[[1, 2], [3, 4]] AS a, (ARRAY[[1, 2], [3, 4]])[2][1] AS b, '{{5,6},{7,8}}'::int[][] AS c, ARRAY[]::text[] AS d
ORDER BY 1;
