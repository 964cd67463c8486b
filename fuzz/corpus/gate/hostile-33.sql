SELECT textin('a') AS a;
