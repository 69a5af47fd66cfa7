//! Three brokers, a primary with a standby, and faults of every part under load: everything ends right, and no process is restarted
//! by hand. `make test-cluster` runs it.

mod bed;
mod brokers;
mod failover;
mod links;
mod load;
mod recommender;
mod schedule;
mod servers;
mod soak;
