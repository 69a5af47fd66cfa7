drop table segmenter.profile_states;
drop table segmenter.deleted_users;
drop table segmenter.outbox;
drop function segmenter.rename_user();
drop function segmenter.remember_deleted_user();
drop function segmenter.next_revision(bigint);
