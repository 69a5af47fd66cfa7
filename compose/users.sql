-- The platform's table of users, with the columns that the service reads. Its migrations refer to it, so it comes before them.
create table public.users (id text primary key);
