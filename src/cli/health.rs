//! `segmenter health`: asks the service on this machine whether it works, for Compose, systemd and scripts.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use serde::Deserialize;

use crate::config::HttpConfig;
use crate::identity::http;
use crate::runtime::exit::Exit;

/// How long the service may take to answer. It holds the answer in memory.
const DEADLINE: Duration = Duration::from_secs(5);

/// Ask the service on this machine whether it is ready
///
/// It asks `http.addr`; where that listens on all addresses, the loopback one. It waits five seconds for the answer, and prints
/// each component that is not ready with its reason. With `http.certificate` it asks over TLS and accepts any certificate, as
/// Kubernetes does.
///
/// Exit codes: 0 ready; 1 not ready, or no answer; 2 wrong configuration.
#[derive(Debug, Args)]
pub struct HealthArgs {
    /// Ask whether it is live: only a stalled process is not, an outage of a dependency does not count.
    #[arg(long)]
    pub live: bool,
}

/// The answer, as far as it is shown.
#[derive(Debug, Deserialize)]
struct Report {
    components: Vec<Component>,
}

#[derive(Debug, Deserialize)]
struct Component {
    component: String,
    reason: Option<String>,
}

/// Asks, and prints the answer to `out`.
///
/// # Errors
/// There is no answer of the service, or `out` cannot be written to.
pub async fn run(args: &HealthArgs, config: &HttpConfig, out: &mut impl Write) -> anyhow::Result<Exit> {
    let (path, state) = if args.live { ("/health/live", "live") } else { ("/health", "ready") };
    let scheme = if config.certificate.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{}{path}", reachable(config.addr));
    let client = http::client(None, DEADLINE).map_err(anyhow::Error::msg)?;
    // The certificate is for the name by which others reach this machine. Nothing secret is sent or asked for.
    let client = client.tls_danger_accept_invalid_certs(true).build()?;
    let ask = async {
        let response = client.get(&url).send().await?;
        reqwest::Result::Ok((response.status().is_success(), response.bytes().await?))
    };
    let (is_good, body) = ask.await.with_context(|| format!("no answer from {url}"))?;
    let report: Report =
        serde_json::from_slice(&body).with_context(|| format!("no service of segmenter is at {url}"))?;
    if is_good {
        writeln!(out, "{state}")?;
        return Ok(Exit::Ok);
    }
    writeln!(out, "not {state}")?;
    for Component { component, reason } in report.components {
        if let Some(reason) = reason {
            writeln!(out, "{component}: {reason}")?;
        }
    }
    Ok(Exit::Failure)
}

/// An address at which a service that listens at `addr` is reached from its own machine.
fn reachable(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, addr.port())
}

#[cfg(test)]
mod tests {
    use super::reachable;

    #[test]
    fn an_address_of_all_interfaces_is_asked_at_loopback() {
        let at = |addr: &str| reachable(addr.parse().expect("an address")).to_string();
        assert_eq!(at("0.0.0.0:8080"), "127.0.0.1:8080");
        assert_eq!(at("[::]:8080"), "[::1]:8080");
        assert_eq!(at("10.0.0.7:81"), "10.0.0.7:81");
    }
}
