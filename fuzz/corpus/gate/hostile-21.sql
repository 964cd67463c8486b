SELECT ((ARRAY[1])[1]).pg_sleep AS a;
