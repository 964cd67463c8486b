SELECT 1::db.public.t AS a;
