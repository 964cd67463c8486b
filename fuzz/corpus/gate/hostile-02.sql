SELECT lowrite(0,'x') AS a;
