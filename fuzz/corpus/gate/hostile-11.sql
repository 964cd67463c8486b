SELECT U&"pg\005Fsleep"(1);
