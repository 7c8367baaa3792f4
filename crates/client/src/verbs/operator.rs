//! `operator`: init, seal and unseal, keys.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::{Value, json};

use super::Verb;
use super::basic::doing;
use super::status;
use crate::api::{Answer, Api};
use crate::flags::{Flags, Table, Takes};
use crate::output::{self, Format};
use crate::{Console, Failure};

pub(super) const VERBS: &[Verb] = &[
    Verb { name: "operator init", help: "Initialises a server.", run: init },
    Verb { name: "operator unseal", help: "Gives a share to a sealed server.", run: unseal },
    Verb { name: "operator seal", help: "Seals the server.", run: seal },
    Verb { name: "operator rekey", help: "Makes new shares.", run: rekey },
    Verb { name: "operator rotate", help: "Begins a new term of the key ring.", run: rotate },
    Verb {
        name: "operator key-status",
        help: "Says which term the key ring has.",
        run: key_status,
    },
    Verb {
        name: "operator generate-root",
        help: "Makes a root token from shares.",
        run: generate_root,
    },
    Verb { name: "operator step-down", help: "Asks the active node to step down.", run: step_down },
];

fn count(flags: &Flags, name: &str, usual: u64) -> Result<u64, Failure> {
    let Some(text) = flags.value(name) else { return Ok(usual) };
    text.parse().map_err(|_| {
        Failure::local(format!("invalid value {text:?} for flag -{name}: expected a number"))
    })
}

const INIT: Table = &[
    ("status", Takes::Switch),
    ("key-shares", Takes::Value),
    ("n", Takes::Value),
    ("key-threshold", Takes::Value),
    ("t", Takes::Value),
    ("recovery-shares", Takes::Value),
    ("recovery-threshold", Takes::Value),
];

fn init(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    let flags = Flags::parse(arguments, INIT)?;
    flags.exactly::<0>()?;
    let api = Api::new(&flags)?;
    if flags.is_on("status") {
        let answer = api.get("sys/init").map_err(doing("Error checking initialization status"))?;
        let is_initialised = answer.body.get("initialized") == Some(&Value::Bool(true));
        console.say(if is_initialised {
            "Vault is initialized"
        } else {
            "Vault is not initialized"
        });
        return Ok(if is_initialised { 0 } else { 2 });
    }
    let named = |long: &str, short: &str, usual| match flags.value(short) {
        Some(_) => count(&flags, short, usual),
        None => count(&flags, long, usual),
    };
    let body = json!({
        "secret_shares": named("key-shares", "n", 5)?,
        "secret_threshold": named("key-threshold", "t", 3)?,
        "recovery_shares": count(&flags, "recovery-shares", 5)?,
        "recovery_threshold": count(&flags, "recovery-threshold", 3)?,
    });
    let answer = api.put("sys/init", body).map_err(doing("Error initializing"))?;
    match Format::of(&flags)? {
        Format::Table | Format::Raw => show_init(console, &answer),
        format => output::structured(console, format, &renamed(&answer)),
    }
    Ok(0)
}

fn list<'a>(answer: &'a Answer, name: &str) -> &'a [Value] {
    answer.body.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The names that Vault's client gives to the answer.
fn renamed(answer: &Answer) -> Value {
    json!({
        "unseal_keys_b64": list(answer, "keys_base64"),
        "unseal_keys_hex": list(answer, "keys"),
        "unseal_shares": list(answer, "keys").len(),
        "recovery_keys_b64": list(answer, "recovery_keys_base64"),
        "recovery_keys_hex": list(answer, "recovery_keys"),
        "root_token": answer.body.get("root_token"),
    })
}

fn show_init(console: &mut Console<'_>, answer: &Answer) {
    let mut shares = 0;
    for (title, name) in [("Unseal", "keys_base64"), ("Recovery", "recovery_keys_base64")] {
        for (number, share) in (1..).zip(list(answer, name)) {
            console.say(&format!("{title} Key {number}: {}", output::plain(share)));
            shares = number;
        }
    }
    let token = answer.body.get("root_token").map(output::plain).unwrap_or_default();
    console.say(&format!("\nInitial Root Token: {token}\n"));
    console.say(&format!(
        "The server is initialized with {shares} key shares. Please securely distribute them: they are\n\
         shown only now, and without enough of them the server cannot be unsealed."
    ));
}

/// A share from the command line or the standard input.
fn share(flags: &Flags, console: &mut Console<'_>) -> Result<String, Failure> {
    match flags.arguments.as_slice() {
        [share] if share != "-" => Ok(share.trim().to_owned()),
        _ => Ok(console.read_input()?.trim().to_owned()),
    }
}

fn unseal(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    let flags = Flags::parse(arguments, &[("reset", Takes::Switch), ("migrate", Takes::Switch)])?;
    let api = Api::new(&flags)?;
    let body = if flags.is_on("reset") {
        json!({ "reset": true })
    } else {
        json!({ "key": share(&flags, console)?, "migrate": flags.is_on("migrate") })
    };
    let answer = api.put("sys/unseal", body).map_err(doing("Error unsealing"))?;
    status::show(console, &flags, &answer)?;
    Ok(0)
}

fn seal(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    let flags = Flags::parse(arguments, &[])?;
    flags.exactly::<0>()?;
    Api::new(&flags)?.put("sys/seal", json!({})).map_err(doing("Error sealing"))?;
    console.say("Success! Vault is sealed.");
    Ok(0)
}

fn step_down(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    let flags = Flags::parse(arguments, &[])?;
    flags.exactly::<0>()?;
    Api::new(&flags)?.put("sys/step-down", json!({})).map_err(doing("Error stepping down"))?;
    console.say("Success! Stepped down.");
    Ok(0)
}

/// Shows an object as a table of its keys.
fn show(console: &mut Console<'_>, flags: &Flags, value: &Value) -> Result<(), Failure> {
    match Format::of(flags)? {
        Format::Table | Format::Raw => {
            let pairs = value.as_object().into_iter().flatten();
            let pairs = pairs.filter(|(_, value)| !value.is_null());
            let rows: Vec<_> =
                pairs.map(|(key, value)| (key.clone(), output::plain(value))).collect();
            console.say(&output::key_value(&rows));
        }
        format => output::structured(console, format, value),
    }
    Ok(())
}

fn rotate(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    let flags = Flags::parse(arguments, &[])?;
    flags.exactly::<0>()?;
    let api = Api::new(&flags)?;
    api.put("sys/rotate", json!({})).map_err(doing("Error rotating key"))?;
    console.say("Success! Rotated key\n");
    let answer = api.get("sys/key-status").map_err(doing("Error reading key status"))?;
    show(console, &flags, answer.body.get("data").unwrap_or(&answer.body))?;
    Ok(0)
}

fn key_status(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    let flags = Flags::parse(arguments, &[])?;
    flags.exactly::<0>()?;
    let answer =
        Api::new(&flags)?.get("sys/key-status").map_err(doing("Error reading key status"))?;
    show(console, &flags, answer.body.get("data").unwrap_or(&answer.body))?;
    Ok(0)
}

const REKEY: Table = &[
    ("init", Takes::Switch),
    ("cancel", Takes::Switch),
    ("status", Takes::Switch),
    ("key-shares", Takes::Value),
    ("n", Takes::Value),
    ("key-threshold", Takes::Value),
    ("t", Takes::Value),
    ("nonce", Takes::Value),
];

fn rekey(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    let flags = Flags::parse(arguments, REKEY)?;
    let api = Api::new(&flags)?;
    if flags.is_on("cancel") {
        api.ask("DELETE", "sys/rekey/init", None).map_err(doing("Error canceling rekey"))?;
        console.say("Success! Canceled rekeying (if it was started)");
        return Ok(0);
    }
    if flags.is_on("init") {
        let shares = count(&flags, if flags.value("n").is_some() { "n" } else { "key-shares" }, 5)?;
        let threshold =
            count(&flags, if flags.value("t").is_some() { "t" } else { "key-threshold" }, 3)?;
        let body = json!({ "secret_shares": shares, "secret_threshold": threshold });
        let answer = api.put("sys/rekey/init", body).map_err(doing("Error initializing rekey"))?;
        show(console, &flags, body_or_data(&answer))?;
        return Ok(0);
    }
    let status = api.get("sys/rekey/init").map_err(doing("Error reading rekey status"))?;
    if flags.is_on("status") {
        show(console, &flags, body_or_data(&status))?;
        return Ok(0);
    }
    let body = json!({ "key": share(&flags, console)?, "nonce": nonce(&flags, &status)? });
    let answer = api.put("sys/rekey/update", body).map_err(doing("Error posting unseal key"))?;
    show(console, &flags, body_or_data(&answer))?;
    Ok(0)
}

fn body_or_data(answer: &Answer) -> &Value {
    answer.body.get("data").filter(|data| data.is_object()).unwrap_or(&answer.body)
}

/// The nonce of the operation: the flag's, or the one under way.
fn nonce(flags: &Flags, status: &Answer) -> Result<String, Failure> {
    if let Some(nonce) = flags.value("nonce") {
        return Ok(nonce.to_owned());
    }
    let nonce = body_or_data(status).get("nonce").and_then(Value::as_str).filter(|n| !n.is_empty());
    nonce
        .map(str::to_owned)
        .ok_or_else(|| Failure::local("The operation has not been started; use -init"))
}

const GENERATE: Table = &[
    ("init", Takes::Switch),
    ("cancel", Takes::Switch),
    ("status", Takes::Switch),
    ("decode", Takes::Value),
    ("otp", Takes::Value),
    ("nonce", Takes::Value),
    ("generate-otp", Takes::Switch),
    ("dr-token", Takes::Switch),
];

fn generate_root(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    let flags = Flags::parse(arguments, GENERATE)?;
    if let Some(encoded) = flags.value("decode") {
        let token = decode(encoded, flags.value("otp").unwrap_or_default())?;
        match Format::of(&flags)? {
            Format::Table | Format::Raw => console.say(&token),
            format => output::structured(console, format, &json!({ "token": token })),
        }
        return Ok(0);
    }
    let api = Api::new(&flags)?;
    if flags.is_on("cancel") {
        api.ask("DELETE", "sys/generate-root/attempt", None)
            .map_err(doing("Error canceling root token generation"))?;
        console.say("Success! Root token generation canceled (if it was started)");
        return Ok(0);
    }
    if flags.is_on("init") {
        let mut body = json!({});
        if let (Some(otp), Value::Object(body)) = (flags.value("otp"), &mut body) {
            body.insert("otp".to_owned(), json!(otp));
        }
        let answer = api
            .put("sys/generate-root/attempt", body)
            .map_err(doing("Error initializing root generation"))?;
        show(console, &flags, body_or_data(&answer))?;
        return Ok(0);
    }
    let status = api
        .get("sys/generate-root/attempt")
        .map_err(doing("Error getting root generation status"))?;
    if flags.is_on("status") {
        show(console, &flags, body_or_data(&status))?;
        return Ok(0);
    }
    let body = json!({ "key": share(&flags, console)?, "nonce": nonce(&flags, &status)? });
    let answer =
        api.put("sys/generate-root/update", body).map_err(doing("Error posting unseal key"))?;
    show(console, &flags, body_or_data(&answer))?;
    Ok(0)
}

/// A token that was encrypted with a one-time password: base64 of the exclusive or.
fn decode(encoded: &str, otp: &str) -> Result<String, Failure> {
    if otp.is_empty() {
        return Err(Failure::local("Missing otp: use -otp to supply it"));
    }
    let bytes = STANDARD_NO_PAD.decode(encoded.trim().trim_end_matches('='));
    let bytes = bytes.map_err(|_| Failure::local("Error decoding root token: it is not base64"))?;
    if bytes.len() != otp.len() {
        return Err(Failure::local(format!(
            "Error xoring token: the token has {} bytes, the OTP {}",
            bytes.len(),
            otp.len()
        )));
    }
    let token: Vec<u8> = bytes.iter().zip(otp.bytes()).map(|(a, b)| a ^ b).collect();
    String::from_utf8(token).map_err(|_| Failure::local("Error decoding root token: wrong OTP"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_back_with_its_otp_only() {
        let (token, otp) = ("hvs.CAESIJ000000000000000000", "0123456789abcdefghijklmnopqr");
        let mixed: Vec<u8> = token.bytes().zip(otp.bytes()).map(|(a, b)| a ^ b).collect();
        let encoded = STANDARD_NO_PAD.encode(mixed);
        assert_eq!(decode(&encoded, otp).unwrap(), token);
        assert_eq!(decode(&format!("{encoded}=="), otp).unwrap(), token);
        assert!(decode(&encoded, "short").is_err());
        assert!(decode("!", otp).is_err());
        assert!(decode(&encoded, "").is_err());
    }
}
