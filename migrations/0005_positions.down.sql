drop table segmenter.positions;
