-- Things that exist, and enrolments that happen.
CREATE TABLE teachers (teacher_id int PRIMARY KEY, name text, department text, hometown text, age int, salary numeric(10, 2));
CREATE TABLE students (student_id int PRIMARY KEY, first_name text, last_name text, age int, sex text, major text,
    city_code text, gpa numeric(3, 2), advisor_id int REFERENCES teachers);
CREATE TABLE courses (course_id int PRIMARY KEY, title text, credits int, department text, teacher_id int REFERENCES teachers);
CREATE TABLE enrollments (enrollment_id int PRIMARY KEY, student_id int REFERENCES students, course_id int REFERENCES courses,
    grade int, enrolled_on date);
INSERT INTO teachers SELECT n, 'Teacher ' || n, (ARRAY['Physics', 'History', 'Biology', 'Music'])[n % 4 + 1],
    (ARRAY['Leeds', 'York', 'Bath'])[n % 5 % 3 + 1], 25 + n * 3 % 40, 30000 + n * 1370 FROM generate_series(1, 23) n;
INSERT INTO students SELECT n, 'First ' || n, 'Last ' || n, 17 + n * 7 % 13, CASE WHEN n % 3 = 0 THEN 'M' ELSE 'F' END,
    (ARRAY['Chemistry', 'Law', 'Medicine', 'Art'])[n * n % 11 % 4 + 1], (ARRAY['LDS', 'YRK', 'BTH'])[n % 4 % 3 + 1],
    (n * 13 % 300) / 100.0 + 1, CASE WHEN n % 6 > 0 THEN n % 19 + 1 END FROM generate_series(1, 140) n;
INSERT INTO courses SELECT n, 'Course ' || n, n % 5 + 2, (ARRAY['Physics', 'History', 'Biology', 'Music'])[n * 3 % 5 % 4 + 1],
    n % 17 + 1 FROM generate_series(1, 40) n;
INSERT INTO enrollments SELECT n, n * 7 % 120 + 1, n * n % 33 + 1, n % 9 + 1, DATE '2025-08-02' - n % 400 FROM generate_series(1, 900) n;
