SELECT current_user AS a;
