SELECT NULL::aclitem AS a;
