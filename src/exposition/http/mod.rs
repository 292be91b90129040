//! Metrics, health and a dashboard over HTTP, on one thread that keeps neither the process nor the pool alive.
//!
//! - `/` is the dashboard, one page that loads nothing from elsewhere;
//! - `/metrics` is for Prometheus, in OpenMetrics where that is asked for;
//! - `/stats.json` is everything as one document;
//! - `/healthz` and `/readyz` are the liveness and readiness probes;
//! - `/alerts.yml` and `/grafana.json` are ready to load into Prometheus and Grafana.

mod access;
mod page;
mod pages;
mod places;
mod server;
mod write_timeout;

use std::net::SocketAddr;

use crate::Pool;
use crate::config::settings::Secret;
use crate::error::{Error, Result};
use server::Server;

/// The options of serving a pool over HTTP; see [`Pool::serve_with`].
#[must_use = "options change nothing until `serve_with` is called with them"]
#[derive(Debug, Clone, Default)]
pub struct ServeOptions {
    token: Option<Secret>,
    beyond_loopback: bool,
}

impl ServeOptions {
    /// Creates options for loopback addresses only, without a token.
    pub fn new() -> Self {
        Self::default()
    }

    /// Requires the header `Authorization: Bearer <token>` for metrics. The dashboard asks for the token and keeps it for its
    /// window. `/healthz` and `/readyz`, which reveal next to nothing, stay open.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(Secret::new(token));
        self
    }

    /// Allows addresses that other machines can reach. Clients there see host names, statements' error codes and application
    /// names, unless there is a [`token`](Self::token). There is no TLS: put a proxy in front where the network is not trusted.
    ///
    /// The `Host` of a request is not checked then, since the names of this machine cannot be known. So without a token a foreign
    /// web page, open in a browser of that network, can read the metrics through a name that its owner resolves to this address
    /// (DNS rebinding). With a token it cannot. On loopback addresses only names of this machine are answered.
    pub fn beyond_loopback(mut self) -> Self {
        self.beyond_loopback = true;
        self
    }
}

/// A pool being served over HTTP. Dropping it stops the server.
#[derive(Debug)]
#[must_use = "dropping it ends the serving at once; `keep` lets it go on"]
pub struct Served(Server);

impl Served {
    /// Returns the address, with the actual port if 0 was requested.
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// Returns the URL of the dashboard.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address())
    }

    /// Keeps serving for as long as the pool exists, without this handle.
    pub fn keep(mut self) {
        self.0.keep();
    }
}

impl Pool {
    /// Serves metrics, health and a dashboard at `address`, such as `127.0.0.1:9464` (port 0 takes a free one), until the
    /// returned handle is dropped or the pool is gone. Only loopback addresses are allowed, see
    /// [`serve_with`](Self::serve_with). Requires the feature `http`.
    ///
    /// Returns at once. One thread is started, which keeps neither the pool nor the process alive.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) if the address is invalid, not allowed, or taken.
    ///
    /// ```
    /// let pool = holdfast::Pool::echo(holdfast::PoolConfig::new())?;
    /// let served = pool.serve("127.0.0.1:0")?;
    /// println!("dashboard at {}", served.url());
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn serve(&self, address: &str) -> Result<Served> {
        self.serve_with(address, ServeOptions::new())
    }

    /// Serves the pool like [`serve`](Self::serve), with a token, or for other machines too.
    ///
    /// # Errors
    /// As for [`serve`](Self::serve).
    ///
    /// ```no_run
    /// # let pool = holdfast::Pool::echo(holdfast::PoolConfig::new())?;
    /// let options = holdfast::exposition::ServeOptions::new().token("secret").beyond_loopback();
    /// let served = pool.serve_with("0.0.0.0:9464", options)?;
    /// println!("metrics at {}", served.address());
    /// served.keep(); // for as long as the pool exists
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn serve_with(&self, address: &str, options: ServeOptions) -> Result<Served> {
        let address = resolved(address)?;
        if !address.ip().is_loopback() && !options.beyond_loopback {
            return Err(Error::config(format!(
                "{address} can be reached from other machines, which has to be allowed (beyond_loopback), best together with a \
                 token; 127.0.0.1:{} serves this machine alone",
                address.port()
            )));
        }
        Server::start(self.weak(), address, options.token).map(Served)
    }
}

fn resolved(address: &str) -> Result<SocketAddr> {
    let text = address.replace("localhost:", "127.0.0.1:");
    text.parse().map_err(|_| {
        Error::config(format!(
            "{address:?} is no address to serve at: give an IP address and a port, such as 127.0.0.1:9464"
        ))
    })
}
