//! Audit devices: every request and every answer is logged before the client gets the answer, or the
//! client gets none.
//!
//! Entries are Vault's JSON with one more member, `chain` (`docs/specs/audit-chain.md`). Strings that
//! may be secret are replaced by an HMAC under the device's salt ([`hash`]).

pub mod chain;
mod device;
mod entry;
mod hash;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crypto::Secret;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::barrier::{Barrier, Transaction};
use crate::{Error, barrier, hex, random};
use device::Device;
pub(crate) use entry::{AuditAuth, AuditRequest, AuditResponse, Logged};
pub(crate) use hash::Hasher;

const ROW: &str = "core/audit";

/// An audit device as it is configured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DeviceConfig {
    /// With a slash at the end.
    pub(crate) path: String,
    /// `file`, `socket` or `syslog`.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) description: String,
    pub(crate) options: BTreeMap<String, String>,
    pub(crate) local: bool,
    pub(crate) keys: DeviceKeys,
}

/// The keys of a device.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct DeviceKeys {
    pub(crate) salt: String,
    pub(crate) chain: String,
}

impl Drop for DeviceKeys {
    fn drop(&mut self) {
        self.salt.zeroize();
        self.chain.zeroize();
    }
}

impl std::fmt::Debug for DeviceKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DeviceKeys(redacted)")
    }
}

impl DeviceKeys {
    fn generate() -> Self {
        DeviceKeys { salt: random::uuid(), chain: hex::encode(random::bytes::<32>().expose()) }
    }

    pub(crate) fn chain_key(&self) -> Option<Secret<[u8; 32]>> {
        hex::array(&self.chain).map(Secret::new)
    }
}

impl DeviceConfig {
    pub(crate) fn new(path: &str, kind: &str) -> Self {
        DeviceConfig {
            path: path.to_owned(),
            kind: kind.to_owned(),
            description: String::new(),
            options: BTreeMap::new(),
            local: false,
            keys: DeviceKeys::generate(),
        }
    }

    fn option(&self, name: &str) -> &str {
        self.options.get(name).map_or("", String::as_str)
    }

    pub(crate) fn is_raw(&self) -> bool {
        self.option("log_raw") == "true"
    }

    pub(crate) fn hashes_accessors(&self) -> bool {
        self.option("hmac_accessor") != "false"
    }

    pub(crate) fn hasher(&self) -> Hasher {
        Hasher::new(&self.keys.salt, self.is_raw(), self.hashes_accessors())
    }
}

/// The devices in use.
#[derive(Debug)]
pub(crate) struct Audit {
    barrier: Arc<Barrier>,
    devices: RwLock<Vec<Arc<Device>>>,
    changing: Mutex<()>,
}

impl Audit {
    /// Adds the row of a store without devices.
    pub(crate) fn initialise(transaction: &mut Transaction) {
        transaction.put(ROW, b"[]".to_vec());
    }

    /// Opens the configured devices. One that does not open stays in the list: it fails until it does.
    pub(crate) fn load(barrier: Arc<Barrier>, now_ms: u64) -> Result<Self, Error> {
        let tampered = |reason| Error::from(barrier::Error::Tampered { key: ROW.into(), reason });
        let row = barrier.get(ROW)?.ok_or_else(|| tampered("the audit table is missing"))?;
        let configs: Vec<DeviceConfig> = serde_json::from_slice(&row.content)
            .map_err(|_| tampered("the audit table is malformed"))?;
        let mut devices = Vec::new();
        for config in configs {
            let head = chain::Head::load(&barrier, &config.path)?;
            devices.push(Arc::new(Device::new(config, head)));
        }
        for device in &devices {
            let _ = device.open(now_ms);
        }
        Ok(Audit { barrier, devices: RwLock::new(devices), changing: Mutex::default() })
    }

    fn devices(&self) -> Vec<Arc<Device>> {
        self.devices.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The configured devices.
    pub(crate) fn configs(&self) -> Vec<DeviceConfig> {
        self.devices().iter().map(|device| device.config.clone()).collect()
    }

    /// The device at `path`.
    pub(crate) fn at(&self, path: &str) -> Option<Arc<Device>> {
        self.devices().into_iter().find(|device| device.config.path == path)
    }

    /// Adds a device, if it opens.
    pub(crate) fn enable(&self, config: DeviceConfig, now_ms: u64) -> Result<(), Error> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.at(&config.path).is_some() {
            return Err(Error::invalid("path already in use"));
        }
        let device = Device::new(config, chain::Head::default());
        device.open(now_ms).map_err(|error| Error::Invalid(format!("audit device: {error}")))?;
        let mut devices = self.devices();
        devices.push(Arc::new(device));
        self.store(&devices)?;
        *self.devices.write().unwrap_or_else(PoisonError::into_inner) = devices;
        Ok(())
    }

    /// Takes a device away.
    pub(crate) fn disable(&self, path: &str) -> Result<(), Error> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut devices = self.devices();
        devices.retain(|device| device.config.path != path);
        self.store(&devices)?;
        *self.devices.write().unwrap_or_else(PoisonError::into_inner) = devices;
        Ok(())
    }

    fn store(&self, devices: &[Arc<Device>]) -> Result<(), Error> {
        let configs: Vec<&DeviceConfig> = devices.iter().map(|device| &device.config).collect();
        let mut transaction = Transaction::new();
        transaction.put(ROW, serde_json::to_vec(&configs).unwrap_or_default());
        self.barrier.commit(transaction)?;
        Ok(())
    }

    /// Logs an entry on every device. At least one must take it, if there are any.
    pub(crate) fn log(&self, logged: &Logged<'_>) -> Result<(), Error> {
        let devices = self.devices.read().unwrap_or_else(PoisonError::into_inner);
        if devices.is_empty() {
            return Ok(());
        }
        let mut taken = 0;
        for device in devices.iter() {
            taken += u32::from(device.log(logged).is_ok());
        }
        if taken == 0 { Err(Error::Audit) } else { Ok(()) }
    }

    /// Opens all files again: they were rotated from outside.
    pub(crate) fn reopen(&self, now_ms: u64) {
        for device in self.devices() {
            let _ = device.open(now_ms);
        }
    }

    /// Keeps the heads of the chains, and looks after the devices.
    pub(crate) fn tick(&self, now_ms: u64) -> Result<(), Error> {
        let mut transaction = Transaction::new();
        for device in self.devices() {
            device.check(now_ms);
            if let Some(head) = device.moved_head() {
                head.store(&device.config.path, &mut transaction);
            }
        }
        if !transaction.is_empty() {
            self.barrier.commit(transaction)?;
        }
        Ok(())
    }
}
