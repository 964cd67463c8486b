SELECT setval('s',1) AS a;
