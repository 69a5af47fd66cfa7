insert into users (id, email, "updatedAt") values ('u1', 'u1@example.org', now()), ('u2', 'u2@example.org', now());
insert into user_vectors (id, "userId", vector, "updatedAt") values ('v1', 'u1', '[0.5]', now()), ('v2', 'u2', '[0.25]', now());
