//! One file per subcommand, each thin: arguments in, a report and an exit code out.

pub mod explain;
