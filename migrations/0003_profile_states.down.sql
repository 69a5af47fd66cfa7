drop table segmenter.profile_states;
drop table segmenter.departed;
drop table segmenter.outbox;
drop function segmenter.rename_user();
drop function segmenter.remember_departed();
drop function segmenter.next_revision(bigint);
