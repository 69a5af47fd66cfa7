drop table segmenter.job_failures;
drop table segmenter.job_users;
drop table segmenter.job_parts;
drop table segmenter.jobs;
