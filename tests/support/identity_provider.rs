//! A real identity provider (OpenID's certified `oidc-provider`): gives one client tokens for its secret.

use std::time::Duration;

use super::ports::free_port;
use super::source;
use super::supervisor::Supervisor;
use super::wait::eventually_blocking;

/// A provider; stopped when dropped.
pub struct IdentityProvider {
    port: u16,
    supervisor: Supervisor,
}

impl IdentityProvider {
    /// The id and the secret of the client.
    pub const CLIENT: &'static str = "segmenter";
    pub const SECRET: &'static str = "s3cret-of-the-client";
    /// The audience of its tokens.
    pub const AUDIENCE: &'static str = "urn:tests";

    /// A provider whose tokens live this long.
    pub fn start(life: Duration) -> Self {
        let folder = source("target/identity-provider");
        assert!(folder.join("node_modules/oidc-provider").is_dir(), "it is missing: `scripts/setup ops` installs it");
        let port = free_port();
        let supervisor = Supervisor::new("KILL", |_| {
            let script = include_str!("../identity-provider/provider.mjs");
            // Modules are looked up from the folder.
            let mut command_line: Vec<_> = ["sh", "-c", r#"cd "$0" && exec "$@""#].map(Into::into).into();
            command_line.push(folder.into());
            let life = life.as_secs().to_string();
            let arguments = [&port.to_string(), Self::CLIENT, Self::SECRET, &life, Self::AUDIENCE];
            command_line.extend(["node", "--input-type=module", "--eval", script].map(Into::into));
            command_line.extend(arguments.map(Into::into));
            command_line
        });
        let provider = Self { port, supervisor };
        provider.resume();
        provider
    }

    /// Stops it; it answers nothing until [`Self::resume`].
    pub fn stop(&self) {
        self.supervisor.stop("KILL");
    }

    /// Starts it again, on the same port and with the same keys.
    pub fn resume(&self) {
        self.supervisor.start();
        eventually_blocking(Duration::from_secs(60), "the identity provider to listen", || {
            assert!(self.supervisor.is_running(), "it ended at its start:\n{}", self.supervisor.log_tail());
            std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok()
        });
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn token_url(&self) -> String {
        format!("http://{}/token", self.address())
    }

    /// The keys by which its tokens are verified.
    pub fn keys_url(&self) -> String {
        format!("http://{}/jwks", self.address())
    }

    pub fn issuer(&self) -> String {
        format!("http://{}", self.address())
    }

    /// How many tokens it has given.
    pub fn given(&self) -> usize {
        self.lines("granted")
    }

    /// How many requests it has refused.
    pub fn refused(&self) -> usize {
        self.lines("refused")
    }

    fn lines(&self, beginning: &str) -> usize {
        let log = std::fs::read_to_string(self.supervisor.folder().join("log")).unwrap_or_default();
        log.lines().filter(|line| line.starts_with(beginning)).count()
    }
}
