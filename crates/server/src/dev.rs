//! The development server: in memory, unsealed, with `secret/` and a token that is printed.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::{Value, json};
use vault::{Core, Inbound, Reply};
use vault_sdk::{Body, Operation};
use zeroize::Zeroizing;

use crate::config::{Config, Listener, Storage};
use crate::options::Options;

/// What a development server has ready.
#[derive(Debug)]
pub struct Prepared {
    unseal_key: Zeroizing<String>,
    root_token: Zeroizing<String>,
}

/// Puts the development settings beside what files say.
///
/// # Errors
/// If flags do not go together.
pub fn configure(config: &mut Config, options: &Options) -> Result<()> {
    if options.dev_tls {
        bail!(
            "-dev-tls is not supported yet; give tls_cert_file and tls_key_file in a file with -config"
        );
    }
    config.storage = Some(Storage::Memory);
    let address = match options.dev_listen_address.as_str() {
        "" => std::env::var("VAULT_DEV_LISTEN_ADDRESS")
            .unwrap_or_else(|_| "127.0.0.1:8200".to_owned()),
        address => address.to_owned(),
    };
    let text = format!("listener \"tcp\" {{ address = {address:?} tls_disable = 1 }}");
    let listener = Config::parse(&text)?.listeners.into_iter().next();
    let mut listener: Listener = listener.ok_or_else(|| anyhow!("no listener"))?;
    listener.unauthenticated_metrics = true;
    // A listener of a file beside it is another one, unless both want the same address.
    config.listeners.retain(|other| other.address != listener.address);
    config.listeners.insert(0, listener);
    Ok(())
}

/// Initialises, unseals, and makes the root token and `secret/`.
///
/// # Errors
/// If the core refuses one of these steps.
pub fn prepare(core: &Core, options: &Options) -> Result<Prepared> {
    let made = core.initialise(1, 1).context("initialise")?;
    let share = made.shares.first().ok_or_else(|| anyhow!("no share was made"))?;
    let unseal_key = Zeroizing::new(vault::hex::encode(share.expose()));
    ask(core, "sys/unseal", None, json!({ "key": unseal_key.as_str() })).context("unseal")?;
    let first = Zeroizing::new(made.root_token.expose().clone());
    let wanted = match options.dev_root_token_id.as_str() {
        "" => std::env::var("VAULT_DEV_ROOT_TOKEN_ID").unwrap_or_default(),
        id => id.to_owned(),
    };
    let root_token = if wanted.is_empty() {
        first
    } else {
        let token = json!({ "id": wanted, "policies": ["root"], "no_parent": true, "no_default_policy": true,
                            "display_name": "root" });
        ask(core, "auth/token/create", Some(&first), token).context("make the root token")?;
        ask(core, "auth/token/revoke-self", Some(&first), json!({}))
            .context("revoke the first token")?;
        Zeroizing::new(wanted)
    };
    if !options.dev_no_kv {
        let version = if options.dev_kv_v1 { "1" } else { "2" };
        let mount = json!({ "type": "kv", "options": { "version": version }, "description": "key/value secret storage" });
        ask(core, "sys/mounts/secret", Some(&root_token), mount).context("mount secret/")?;
    }
    if !options.dev_no_store_token {
        store(&root_token)?;
    }
    Ok(Prepared { unseal_key, root_token })
}

fn ask(core: &Core, path: &str, token: Option<&Zeroizing<String>>, data: Value) -> Result<Reply> {
    let Value::Object(data) = data else { bail!("{path}: the request is no object") };
    let inbound = Inbound {
        operation: Operation::Update,
        path: path.to_owned(),
        data,
        token: token.cloned(),
        ..Inbound::default()
    };
    let reply = core.handle(inbound).with_context(|| path.to_owned())?;
    match &reply.body {
        Body::Status(status, _) if *status >= 400 => bail!("{path} answered {status}"),
        _ => Ok(reply),
    }
}

/// Writes the token where the client looks for it.
fn store(token: &str) -> Result<()> {
    let Some(home) = std::env::var_os("HOME").filter(|home| !home.is_empty()) else {
        return Ok(());
    };
    let path = PathBuf::from(home).join(".vault-token");
    let _ = std::fs::remove_file(&path);
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    file.and_then(|mut file| file.write_all(token.as_bytes()))
        .with_context(|| format!("write {}", path.display()))
}

impl Prepared {
    /// Says what a developer needs to know.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn announce(&self, url: &str, banner: &mut dyn Write) -> Result<()> {
        writeln!(
            banner,
            "WARNING! dev mode is enabled! In this mode, Vault runs entirely in-memory\n\
             and starts unsealed with a single unseal key. The root token is already\n\
             authenticated to the CLI, so you can immediately begin using Vault.\n\n\
             You may need to set the following environment variables:\n\n    \
             $ export VAULT_ADDR='{url}'\n\n\
             The unseal key and root token are displayed below in case you want to\n\
             seal/unseal the Vault or re-authenticate.\n\n\
             Unseal Key: {}\nRoot Token: {}\n\n\
             Development mode should NOT be used in production installations!\n",
            self.unseal_key.as_str(),
            self.root_token.as_str(),
        )?;
        Ok(())
    }
}
