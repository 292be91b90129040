//! A network of two machines, in namespaces of its own, on whose wire packets really vanish.
//!
//! No address, device or rule of the machine itself is touched: both namespaces are made here, hold nothing but the two
//! ends of one cable, and cannot reach anything else. Each is held by a child process that waits for the end of a pipe, so
//! they are gone when the [`Network`] is dropped, and also when this process dies of anything.
//!
//! Needs Linux, root (`CAP_SYS_ADMIN`), `unshare` and `ip`; [`Network::new`] says what is missing, and the test then makes
//! do with the proxy.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

const CLIENT: End = End { device: "client0", address: "10.231.77.1", mac: "02:00:00:00:77:01" };
const SERVER: End = End { device: "server0", address: "10.231.77.2", mac: "02:00:00:00:77:02" };
/// Belongs to no host: a frame sent to it is dropped silently.
const NOBODY: &str = "02:00:00:00:77:99";

/// One end of the cable.
struct End {
    device: &'static str,
    address: &'static str,
    mac: &'static str,
}

/// A namespace, which lasts as long as the process in it.
struct Namespace {
    holder: Child,
}

/// Two machines and a cable.
pub struct Network {
    client: Namespace,
    server: Namespace,
}

impl Network {
    /// Makes the network, or says why that cannot be done here.
    pub fn new() -> Result<Self, String> {
        let network = Self { client: Namespace::new()?, server: Namespace::new()? };
        let other = network.server.holder.id().to_string();
        network.client.ip(&format!(
            "link add {} address {} type veth peer name {} address {} netns {other}",
            CLIENT.device, CLIENT.mac, SERVER.device, SERVER.mac
        ))?;
        for (namespace, end) in [(&network.client, CLIENT), (&network.server, SERVER)] {
            namespace.ip("link set lo up")?;
            namespace.ip(&format!("addr add {}/30 dev {}", end.address, end.device))?;
            namespace.ip(&format!("link set {} up", end.device))?;
        }
        network.pass_packets()?;
        Ok(network)
    }

    /// The server machine's address, to `listen` on, and for clients to connect to.
    pub fn server_address(&self) -> &'static str {
        SERVER.address
    }

    /// Runs `act` on the client's machine. Threads and processes started there stay there.
    pub fn on_client<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        self.client.run(act)
    }

    /// Runs `act` on the server's machine. A server is started and started again from there; stopping, freezing and
    /// dropping it works from anywhere.
    pub fn on_server<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        self.server.run(act)
    }

    /// From now on every packet vanishes, each way, and neither side gets an error.
    pub fn drop_packets(&self) -> Result<(), String> {
        self.drop_requests()?;
        self.drop_replies()
    }

    /// Drops the packets of the client.
    pub fn drop_requests(&self) -> Result<(), String> {
        self.client.send_to(&SERVER, NOBODY, &CLIENT)
    }

    /// Drops the packets of the server; those of the client still arrive.
    pub fn drop_replies(&self) -> Result<(), String> {
        self.server.send_to(&CLIENT, NOBODY, &SERVER)
    }

    /// Packets arrive again. What TCP has sent in the meantime, it sends again at its own pace (0.2 s, doubled each time).
    pub fn pass_packets(&self) -> Result<(), String> {
        self.client.send_to(&SERVER, SERVER.mac, &CLIENT)?;
        self.server.send_to(&CLIENT, CLIENT.mac, &SERVER)
    }

    /// The client's machine no longer knows a way to the server's ("No route to host").
    pub fn unreachable(&self) -> Result<(), String> {
        self.client.ip(&format!("route add unreachable {}/32", SERVER.address))
    }

    /// It knows the way again.
    pub fn reachable(&self) -> Result<(), String> {
        self.client.ip(&format!("route del unreachable {}/32", SERVER.address))
    }
}

impl Namespace {
    fn new() -> Result<Self, String> {
        let mut unshare = Command::new("unshare");
        // The line says that the namespace is there; the read ends with this process or with the drop.
        unshare.args(["--net", "sh", "-c", "echo ready; read -r _"]);
        unshare.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut holder =
            unshare.spawn().map_err(|error| format!("no network namespaces: unshare: {error}"))?;
        let mut line = String::new();
        let said = holder.stdout.take().map(|stdout| BufReader::new(stdout).read_line(&mut line));
        if matches!(said, Some(Ok(_))) && line.trim() == "ready" {
            return Ok(Self { holder });
        }
        let output = holder.wait_with_output().map_err(|error| error.to_string())?;
        Err(format!("no network namespaces: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }

    /// Runs `act` on a thread of its own inside. Namespaces belong to threads, and this one does not come back.
    fn run<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        let inside = || {
            let namespace =
                File::open(format!("/proc/{}/ns/net", self.holder.id())).expect("the namespace is there");
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("we may enter it");
            act()
        };
        let result = thread::scope(|scope| scope.spawn(inside).join());
        // The test's own failure, not one about a thread.
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    fn ip(&self, arguments: &str) -> Result<(), String> {
        let run = || Command::new("ip").args(arguments.split(' ')).output();
        let output = self.run(run).map_err(|error| format!("ip {arguments}: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        Err(format!("ip {arguments}: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }

    /// Makes frames for `to` go to this hardware address. With a fixed one there is no need for ARP, whose own silence
    /// would end in "No route to host" after 3 s.
    fn send_to(&self, to: &End, mac: &str, from: &End) -> Result<(), String> {
        self.ip(&format!("neigh replace {} lladdr {mac} nud permanent dev {}", to.address, from.device))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        // It ends by itself now; were it not to, the test would be no worse for it.
        let _ = self.holder.wait();
    }
}
