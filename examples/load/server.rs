//! The processes that are measured: started on cores of their own, looked at from outside.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use serde::Serialize;

use crate::cores;
use crate::options::Kind;
use crate::world::World;
use crate::yardstick::{Does, Order};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Server {
    Relay,
    RelayWithoutWiping,
    Reads,
    Parses,
    Verifies,
    NodeSns,
    NodeTrigger,
    DebianWebhook,
}

impl Server {
    /// Those that a kind is sent to.
    pub(crate) fn of(kind: Kind) -> Vec<Self> {
        let mut servers =
            vec![Self::Relay, Self::RelayWithoutWiping, Self::Reads, Self::Parses, Self::Verifies];
        match kind {
            Kind::SnsV1 | Kind::SnsV2 | Kind::BadSignature => servers.push(Self::NodeSns),
            Kind::Trigger => servers.extend([Self::NodeTrigger, Self::DebianWebhook]),
            Kind::Eventbridge | Kind::UnknownSecret | Kind::Duplicate => {}
        }
        servers
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::RelayWithoutWiping => "relay, freed memory not wiped",
            Self::Reads => "axum: reads",
            Self::Parses => "axum: reads, parses",
            Self::Verifies => "axum: reads, parses, verifies",
            Self::NodeSns => "fastify, sns-validator",
            Self::NodeTrigger => "fastify, standardwebhooks",
            Self::DebianWebhook => "Debian's webhook",
        }
    }

    /// Whether it answers that it does not take this.
    pub(crate) fn refuses(self, kind: Kind) -> bool {
        match kind {
            // Only these look at the signature at all.
            Kind::BadSignature => !matches!(self, Self::Reads | Self::Parses),
            // Only the relay knows which secrets somebody uses.
            Kind::UnknownSecret => matches!(self, Self::Relay | Self::RelayWithoutWiping),
            _ => false,
        }
    }
}

/// Builds the relay as it ships, and gives the binary.
pub(crate) fn build_relay() -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--locked", "--bin", "anypoint-relay"]);
    build.args((!cfg!(debug_assertions)).then_some("--release")).current_dir(env!("CARGO_MANIFEST_DIR"));
    ensure!(build.status().context("cargo cannot be started")?.success(), "the relay cannot be built");
    let here = std::env::current_exe()?;
    let folder = here.parent().and_then(Path::parent).context("this program is in no folder of cargo's")?;
    Ok(folder.join("anypoint-relay"))
}

/// A process that is measured. It is killed when this is dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
}

/// Everything that is needed to start one.
pub(crate) struct Starter<'a> {
    pub(crate) world: &'a World,
    pub(crate) relay: &'a Path,
    pub(crate) peers: &'a Path,
}

impl Starter<'_> {
    /// Starts it; none if it is not installed here.
    pub(crate) fn start(&self, server: Server) -> anyhow::Result<Option<Process>> {
        let address = crate::world::free_address()?;
        let Some(mut command) = self.command(server, address)? else { return Ok(None) };
        let log = File::options().create(true).append(true).open(self.world.file("server.log"))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = cores::of_servers(move || command.spawn())
            .with_context(|| format!("cannot start: {}", server.name()))?;
        Ok(Some(Process { child, address }))
    }

    fn command(&self, server: Server, listen: SocketAddr) -> anyhow::Result<Option<Command>> {
        let this = std::env::current_exe()?;
        let yardstick = |does| {
            let order = Order {
                does,
                listen,
                public_key: self.world.signing_key.public_key().context("a key of the library's")?.to_vec(),
                eventbridge_key: self.world.eventbridge_key.clone(),
                trigger_key: self.world.trigger_key.clone(),
            };
            let mut command = Command::new(&this);
            command.arg("--yardstick").arg(serde_json::to_string(&order)?);
            anyhow::Ok(Some(command))
        };
        let relay = |program: &Path| {
            let mut command = Command::new(program);
            command.arg("serve").arg(self.world.configuration(listen)?);
            command.env_clear().envs(self.world.environment());
            anyhow::Ok(Some(command))
        };
        match server {
            Server::Relay => relay(self.relay),
            Server::RelayWithoutWiping => relay(&this),
            Server::Reads => yardstick(Does::Reads),
            Server::Parses => yardstick(Does::Parses),
            Server::Verifies => yardstick(Does::Verifies),
            Server::NodeSns => self.node("sns.js", listen),
            Server::NodeTrigger => self.node("trigger.js", listen),
            Server::DebianWebhook => self.debian_webhook(listen),
        }
    }

    fn node(&self, script: &str, listen: SocketAddr) -> anyhow::Result<Option<Command>> {
        if !self.peers.join("node_modules").is_dir() {
            return Ok(None);
        }
        let certificate = self.world.file("signing.pem");
        std::fs::write(&certificate, &self.world.certificate_pem)?;
        let mut command = Command::new("node");
        command.arg(self.peers.join(script)).envs(self.world.environment()).env("NODE_ENV", "production");
        command.env("PORT", listen.port().to_string()).env("CERTIFICATE", certificate);
        Ok(Some(command))
    }

    fn debian_webhook(&self, listen: SocketAddr) -> anyhow::Result<Option<Command>> {
        let template = self.peers.join("hooks.json");
        let program = Command::new("webhook").arg("-version").stdout(Stdio::null()).status();
        if program.is_err() || !template.is_file() {
            return Ok(None);
        }
        let rules = std::fs::read_to_string(template)?;
        let file = self.world.file("hooks.json");
        std::fs::write(&file, rules.replace("TRIGGER_KEY", &self.world.trigger_key))?;
        let mut command = Command::new("webhook");
        command.arg("-hooks").arg(file).args(["-ip", "127.0.0.1", "-port", &listen.port().to_string()]);
        Ok(Some(command))
    }
}

impl Process {
    pub(crate) fn of(child: Child, address: SocketAddr) -> Self {
        Self { child, address }
    }

    /// CPU time that it and the children it has waited for took, to the hundredth of a second.
    pub(crate) fn cpu(&self) -> Duration {
        // proc(5): the fields behind the name, which may hold spaces; utime, stime, cutime, cstime are 14 to 17.
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
        let ticks: u64 = fields.skip(11).take(4).filter_map(|field| field.parse::<u64>().ok()).sum();
        // Linux shows times in hundredths of a second, whatever it counts in (USER_HZ).
        Duration::from_millis(ticks * 10)
    }

    /// The most memory that it had resident, in bytes; none where the system does not say.
    pub(crate) fn peak(&self) -> Option<u64> {
        self.status("VmHWM:")
    }

    /// The memory that it has resident, in bytes.
    pub(crate) fn resident(&self) -> Option<u64> {
        self.status("VmRSS:")
    }

    /// Of that, what is no page of a file: the system can take those back and read them again (proc(5), `RssAnon`).
    pub(crate) fn own(&self) -> Option<u64> {
        self.status("RssAnon:")
    }

    fn status(&self, field: &str) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(field))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().and_then(|()| self.child.wait()).ok();
    }
}
