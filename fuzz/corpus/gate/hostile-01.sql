SELECT cursor_to_xmlschema('c',true,true,'') AS a;
