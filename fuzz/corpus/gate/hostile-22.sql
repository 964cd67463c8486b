SELECT 'x'::regtype AS a;
