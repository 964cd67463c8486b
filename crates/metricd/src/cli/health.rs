//! `metricd health`

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    process::ExitCode,
};

use metricd_infrastructure::readiness::check_readiness;

use crate::config::Config;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Address and port that it listens on [default: as the settings say]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Option<String>,
}

pub(crate) async fn run(config: &Config) -> anyhow::Result<ExitCode> {
    check_readiness(reachable(config.general.listen)).await?;
    super::output::print("ready\n")?;
    Ok(ExitCode::SUCCESS)
}

/// Where to reach what listens on an address: on all of this machine's, if that is what it means.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_all_interfaces_is_reached_on_this_machine() {
        for (listen, expected) in [
            ("0.0.0.0:8000", "127.0.0.1:8000"),
            ("[::]:8000", "[::1]:8000"),
            ("10.0.0.7:80", "10.0.0.7:80"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), expected);
        }
    }
}
