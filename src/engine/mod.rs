//! One travel profile to segment assignments and a feature vector: pure, deterministic, bit for bit.
