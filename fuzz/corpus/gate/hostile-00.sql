SELECT set_config('role','none',true) AS a;
