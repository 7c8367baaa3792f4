//! Devices: where lines go, and what happens when they do not.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write};
use std::net::{TcpStream, ToSocketAddrs as _, UdpSocket};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::chain::{Chain, Head, tail};
use super::{DeviceConfig, Hasher, Logged};
use vault_sdk::time::Instant;

/// Bytes at the end of a file in which its last entry is looked for.
const TAIL: u64 = 4 << 20;
/// Waiting for a socket.
const TIMEOUT: Duration = Duration::from_secs(2);

/// One audit device.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) config: DeviceConfig,
    pub(crate) hasher: Hasher,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    chain: Chain,
    sink: Sink,
    /// Bytes in the present file.
    size: u64,
    /// The head that the store has.
    kept: Head,
}

#[derive(Debug)]
enum Sink {
    Closed,
    File(File),
    Stdout,
    Discard,
    Tcp(TcpStream),
    Udp(UdpSocket),
    Stream(UnixStream),
    Datagram(UnixDatagram),
}

impl Device {
    pub(super) fn new(config: DeviceConfig, head: Head) -> Self {
        let hasher = config.hasher();
        let key = config.keys.chain_key().unwrap_or_else(crate::random::bytes);
        let chain = Chain::after(key, &head);
        let state = Mutex::new(State { chain, sink: Sink::Closed, size: 0, kept: head });
        Device { config, hasher, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the device, or opens it again.
    pub(super) fn open(&self, now_ms: u64) -> Result<(), String> {
        let mut state = self.state();
        self.open_locked(&mut state, now_ms)
    }

    fn open_locked(&self, state: &mut State, now_ms: u64) -> Result<(), String> {
        state.sink = Sink::Closed;
        match &*self.config.kind {
            "file" => self.open_file(state, now_ms),
            "socket" => self.open_socket(state),
            "syslog" => open_syslog(state),
            other => Err(format!("there is no audit device of type {other:?}")),
        }
    }

    fn open_file(&self, state: &mut State, now_ms: u64) -> Result<(), String> {
        let path = match self.config.option("file_path") {
            "" => self.config.option("path"),
            path => path,
        };
        match path {
            "" => return Err("file_path is required".to_owned()),
            "stdout" => state.sink = Sink::Stdout,
            "discard" => state.sink = Sink::Discard,
            path => {
                let mode = file_mode(self.config.option("mode"))?;
                let failed = |error: std::io::Error| format!("open {path}: {error}");
                let mut options = OpenOptions::new();
                options.read(true).append(true).create(true).mode(mode.unwrap_or(0o600));
                let mut file = options.open(path).map_err(failed)?;
                if let Some(mode) = mode {
                    file.set_permissions(PermissionsExt::from_mode(mode)).map_err(failed)?;
                }
                state.size = file.metadata().map_err(failed)?.len();
                self.resume(state, &mut file, now_ms).map_err(failed)?;
                state.sink = Sink::File(file);
            }
        }
        Ok(())
    }

    /// Goes on behind the last entry of a file: ends a torn line, and says what is missing.
    fn resume(&self, state: &mut State, file: &mut File, now_ms: u64) -> std::io::Result<()> {
        if state.size == 0 {
            return Ok(());
        }
        let Some(key) = self.config.keys.chain_key() else { return Ok(()) };
        file.seek(SeekFrom::Start(state.size.saturating_sub(TAIL)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let (last, torn) = tail(&bytes, &key);
        let kept = state.chain.head();
        let last = last.unwrap_or_default();
        let missing = kept.seq.saturating_sub(last.seq);
        let head = if last.seq >= kept.seq { last } else { kept };
        state.chain.advance(&head);
        if torn == 0 && missing == 0 {
            return Ok(());
        }
        if torn > 0 {
            file.write_all(b"\n")?;
        }
        let time = Instant(now_ms.saturating_mul(1_000_000)).to_rfc3339();
        let seq = head.seq;
        let entry = format!(
            "{{\"time\":\"{time}\",\"type\":\"resumed\",\"resumed\":{{\"seq\":{seq},\"torn_bytes\":{torn},\"missing\":{missing}}}}}"
        );
        let (line, head) = state.chain.line(&entry);
        file.write_all(line.as_bytes())?;
        state.chain.advance(&head);
        state.size += line.len() as u64;
        Ok(())
    }

    fn open_socket(&self, state: &mut State) -> Result<(), String> {
        let address = self.config.option("address");
        let failed = |error: std::io::Error| format!("connect to {address}: {error}");
        state.sink = match self.config.option("socket_type") {
            "" | "tcp" => {
                let mut addresses = address.to_socket_addrs().map_err(failed)?;
                let first = addresses.next().ok_or_else(|| format!("no address for {address}"))?;
                let stream = TcpStream::connect_timeout(&first, TIMEOUT).map_err(failed)?;
                stream.set_write_timeout(Some(TIMEOUT)).map_err(failed)?;
                Sink::Tcp(stream)
            }
            "udp" => {
                let socket = UdpSocket::bind("0.0.0.0:0").map_err(failed)?;
                socket.connect(address).map_err(failed)?;
                Sink::Udp(socket)
            }
            "unix" => {
                let stream = UnixStream::connect(address).map_err(failed)?;
                stream.set_write_timeout(Some(TIMEOUT)).map_err(failed)?;
                Sink::Stream(stream)
            }
            other => return Err(format!("socket_type must be tcp, udp or unix, found {other:?}")),
        };
        Ok(())
    }

    /// Writes one entry.
    pub(super) fn log(&self, logged: &Logged<'_>) -> Result<(), String> {
        let entry = logged.render(&self.hasher);
        let mut state = self.state();
        let (line, head) = state.chain.line(&entry);
        let line = format!("{}{line}", self.config.option("prefix"));
        if self.write(&mut state, &line).is_err() {
            // Once more on a fresh descriptor or connection; then the device has failed.
            self.open_locked(&mut state, 0)?;
            let (line, head) = state.chain.line(&entry);
            let line = format!("{}{line}", self.config.option("prefix"));
            self.write(&mut state, &line)?;
            state.chain.advance(&head);
            return Ok(());
        }
        state.chain.advance(&head);
        Ok(())
    }

    fn write(&self, state: &mut State, line: &str) -> Result<(), String> {
        let bytes = line.as_bytes();
        let done = match &mut state.sink {
            Sink::Closed => return Err("the device is closed".to_owned()),
            Sink::Discard => Ok(()),
            Sink::Stdout => std::io::stdout().lock().write_all(bytes),
            Sink::File(file) => {
                self.rotate_if_full(file, &mut state.size, bytes.len())?;
                let done = file.write_all(bytes);
                state.size += bytes.len() as u64;
                done
            }
            Sink::Tcp(stream) => stream.write_all(bytes),
            Sink::Stream(stream) => stream.write_all(bytes),
            Sink::Udp(socket) => socket.send(bytes).map(drop),
            Sink::Datagram(socket) => socket.send(&syslog_message(&self.config, line)).map(drop),
        };
        done.map_err(|error| {
            state.sink = Sink::Closed;
            error.to_string()
        })
    }

    /// Moves a file aside that has reached `rotate_bytes`.
    fn rotate_if_full(&self, file: &mut File, size: &mut u64, more: usize) -> Result<(), String> {
        let limit: u64 = self.config.option("rotate_bytes").parse().unwrap_or(0);
        if limit == 0 || *size == 0 || size.saturating_add(more as u64) <= limit {
            return Ok(());
        }
        let path = self.config.option("file_path");
        let keep: u32 = self.config.option("rotate_max_files").parse().unwrap_or(10).max(1);
        let aside = |n: u32| format!("{path}.{n}");
        let failed = |error: std::io::Error| format!("rotate {path}: {error}");
        for n in (1..keep).rev() {
            if Path::new(&aside(n)).exists() {
                std::fs::rename(aside(n), aside(n + 1)).map_err(failed)?;
            }
        }
        std::fs::rename(path, aside(1)).map_err(failed)?;
        let mode = file_mode(self.config.option("mode"))?.unwrap_or(0o600);
        let mut options = OpenOptions::new();
        *file =
            options.read(true).append(true).create(true).mode(mode).open(path).map_err(failed)?;
        *size = 0;
        Ok(())
    }

    /// Opens a file anew that was deleted or moved away, and a device that had failed.
    pub(super) fn check(&self, now_ms: u64) {
        let mut state = self.state();
        let is_gone = match &state.sink {
            Sink::Closed => true,
            Sink::File(file) => {
                let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
                let open = file.metadata().map(identity).ok();
                let named = std::fs::metadata(self.config.option("file_path")).map(identity).ok();
                open.is_some() && open != named
            }
            _ => false,
        };
        if is_gone {
            // It is tried again in the next round, and at the next entry.
            let _ = self.open_locked(&mut state, now_ms);
        }
    }

    /// The head, if the store does not have it yet.
    pub(super) fn moved_head(&self) -> Option<Head> {
        let mut state = self.state();
        let head = state.chain.head();
        (head != state.kept).then(|| {
            state.kept = head.clone();
            head
        })
    }

    /// The newest entry.
    pub(crate) fn head(&self) -> Head {
        self.state().chain.head()
    }
}

/// The mode of an audit file. `0000` leaves an existing one alone. Nobody executes a log, and only
/// its owner writes it (CVE-2025-6000).
fn file_mode(option: &str) -> Result<Option<u32>, String> {
    if option.is_empty() {
        return Ok(Some(0o600));
    }
    let mode =
        u32::from_str_radix(option, 8).map_err(|_| "mode must be an octal number".to_owned())?;
    match mode {
        0 => Ok(None),
        mode if mode & !0o644 != 0 => Err("mode must be within 0644".to_owned()),
        mode => Ok(Some(mode)),
    }
}

fn open_syslog(state: &mut State) -> Result<(), String> {
    let socket = UnixDatagram::unbound().map_err(|error| error.to_string())?;
    socket.connect("/dev/log").map_err(|error| format!("connect to /dev/log: {error}"))?;
    state.sink = Sink::Datagram(socket);
    Ok(())
}

/// A message after RFC 5424, section 6. The time is in the entry.
fn syslog_message(config: &DeviceConfig, line: &str) -> Vec<u8> {
    let facility = match config.option("facility").to_ascii_uppercase().as_str() {
        "USER" => 1,
        "DAEMON" => 3,
        local if local.starts_with("LOCAL") => 16 + local[5..].parse::<u8>().unwrap_or(0).min(7),
        _ => 4,
    };
    let tag = match config.option("tag") {
        "" => "vault",
        tag => tag,
    };
    // Severity 6: informational.
    let priority = facility * 8 + 6;
    format!("<{priority}>1 - - {tag} - audit - {}", line.trim_end()).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cve_2025_6000_modes_are_bounded() {
        assert_eq!(file_mode(""), Ok(Some(0o600)));
        assert_eq!(file_mode("0640"), Ok(Some(0o640)));
        assert_eq!(file_mode("0000"), Ok(None));
        for bad in ["0755", "0777", "4755", "0666", "x"] {
            assert!(file_mode(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn syslog_messages_are_rfc_5424() {
        let mut config = DeviceConfig::new("syslog/", "syslog");
        let message =
            |config: &DeviceConfig| String::from_utf8(syslog_message(config, "{}\n")).unwrap();
        assert_eq!(message(&config), "<38>1 - - vault - audit - {}");
        config.options = [("facility", "LOCAL7"), ("tag", "x")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        assert_eq!(message(&config), "<190>1 - - x - audit - {}");
    }
}
