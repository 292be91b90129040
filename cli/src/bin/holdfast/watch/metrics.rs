//! Looks at pools, where they serve their metrics.

use std::thread;
use std::time::Duration;

use serde_json::Value;
use ureq::Agent;

use super::look::PoolLook;

const PATIENCE: Duration = Duration::from_secs(2);
/// A document has some kilobytes.
const LARGEST: u64 = 4 << 20;

/// The addresses at which pools serve their metrics.
pub(super) struct Addresses {
    agent: Agent,
    addresses: Vec<String>,
    token: Option<String>,
}

impl Addresses {
    pub(super) fn new(addresses: &[String], token: Option<String>) -> Result<Self, String> {
        // Pools are near: a proxy for the world's web has no business there, and would learn the token.
        let agent = Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .build()
            .into();
        let addresses = addresses.iter().map(|address| base(address)).collect::<Result<_, _>>()?;
        Ok(Self { agent, addresses, token: token.filter(|token| !token.is_empty()) })
    }

    /// Asks all of them at once, so that one that is silent does not hold up the others.
    pub(super) fn look(&self) -> Vec<PoolLook> {
        thread::scope(|scope| {
            let asked: Vec<_> =
                self.addresses.iter().map(|address| scope.spawn(|| self.stats(address))).collect();
            let answers = asked.into_iter().map(|asking| {
                asking
                    .join()
                    .unwrap_or_else(|_| Err("asking it failed in a way that was not foreseen".to_owned()))
            });
            self.addresses
                .iter()
                .zip(answers)
                .map(|(address, stats)| PoolLook { address: address.clone(), stats })
                .collect()
        })
    }

    fn stats(&self, address: &str) -> Result<Value, String> {
        let mut request = self.agent.get(format!("{address}/stats.json"));
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let mut answer = request.call().map_err(|error| format!("{error}: does a pool serve there?"))?;
        match answer.status().as_u16() {
            200 => {}
            401 | 403 => return Err("it wants a token: give --token, or HOLDFAST_WATCH_TOKEN".to_owned()),
            503 => return Err("its pool is gone".to_owned()),
            status => return Err(format!("HTTP status {status}: is it a pool's address?")),
        }
        let text = answer
            .body_mut()
            .with_config()
            .limit(LARGEST)
            .read_to_string()
            .map_err(|error| error.to_string())?;
        let document: Value = serde_json::from_str(&text)
            .map_err(|_| "what came is no JSON: is it a pool's address?".to_owned())?;
        match document.is_object() {
            true => Ok(document),
            false => Err("what came is no pool's document".to_owned()),
        }
    }
}

/// The address without what follows host and port.
fn base(address: &str) -> Result<String, String> {
    let wrong = |what: &str| Err(format!("--metrics {what}: give an address such as http://127.0.0.1:9464"));
    // It would be shown on the screen.
    if address.contains('@') {
        return wrong("takes no user or password in an address (there is --token)");
    }
    match address.strip_prefix("http://") {
        Some(rest) => match rest.split('/').next().unwrap_or_default() {
            "" => wrong("has no host"),
            host => Ok(format!("http://{host}")),
        },
        None if address.contains("://") => wrong("takes plain HTTP only"),
        None => base(&format!("http://{address}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_with_and_without_what_a_browser_shows() {
        for given in ["http://h:9464", "http://h:9464/", "http://h:9464/stats.json", "h:9464"] {
            assert_eq!(base(given).as_deref(), Ok("http://h:9464"), "{given}");
        }
        for wrong in ["https://h:9464", "http://", "", "http://user:S3cr3t@h:1"] {
            let said = base(wrong).unwrap_err();
            assert!(said.contains("such as http://127.0.0.1:9464") && !said.contains("S3cr3t"), "{said}");
        }
    }
}
