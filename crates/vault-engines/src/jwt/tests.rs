use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::json;
use vault_sdk::{MountClass, OutboundResponse};

use super::*;
use crate::testing::Bench;

/// An issuer with a key of its own.
struct Issuer(EcdsaKeyPair);

impl Issuer {
    fn new() -> Self {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
        Self(EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &SystemRandom::new()).unwrap())
    }

    fn sign_as(&self, header: &Value, claims: &Value) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(header), encode(claims));
        let mac = self.0.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.as_ref()))
    }

    fn sign(&self, claims: &Value) -> String {
        self.sign_as(&json!({ "alg": "ES256" }), claims)
    }

    fn pem(&self) -> String {
        let prefix = [
            0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
            0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
        ];
        let der = [&prefix, self.0.public_key().as_ref()].concat();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
    }

    fn jwks(&self, kid: &str) -> Value {
        let point = self.0.public_key().as_ref();
        let part = |range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&point[range]);
        json!({ "keys": [{ "kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "x": part(1..33), "y": part(33..65) }] })
    }
}

const NOW: u64 = 1_700_000_000;

fn claims() -> Value {
    json!({ "iss": "https://issuer", "sub": "ann", "aud": ["casemate"], "exp": NOW + 300, "iat": NOW,
            "groups": ["ops"], "org": { "team": "blue" } })
}

fn bench(issuer: &Issuer) -> Bench<Jwt> {
    let bench = Bench::new(Jwt, "auth/jwt/", MountClass::Auth);
    let config = json!({ "jwt_validation_pubkeys": [issuer.pem()], "bound_issuer": "https://issuer", "default_role": "R" });
    bench.ask(Operation::Update, "config", config).unwrap();
    let role = json!({ "user_claim": "sub", "bound_audiences": "casemate", "groups_claim": "groups", "token_policies": "p",
                       "bound_claims": { "/org/team": ["red", "blue"] }, "claim_mappings": { "/org/team": "team" } });
    bench.ask(Operation::Create, "role/r", role).unwrap();
    bench
}

fn log_in(bench: &Bench<Jwt>, jwt: &str) -> Result<Auth, Error> {
    let answer = bench.ask(Operation::Update, "login", json!({ "jwt": jwt }));
    answer.map(|mut answer| answer.auth.take().unwrap())
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

#[test]
fn a_signed_token_within_the_bounds_gets_in() {
    let issuer = Issuer::new();
    let auth = log_in(&bench(&issuer), &issuer.sign(&claims())).unwrap();
    assert_eq!((auth.policies, auth.group_aliases), (vec!["p".to_owned()], vec!["ops".to_owned()]));
    assert_eq!(auth.alias.unwrap().name, "ann");
    assert_eq!(json!(auth.metadata), json!({ "role": "r", "team": "blue" }));
}

#[test]
fn claims_out_of_bounds_are_refused() {
    let issuer = Issuer::new();
    let bench = bench(&issuer);
    for (name, value, expected) in [
        ("exp", json!(NOW - 61), "token is expired"),
        ("exp", json!("soon"), "a time claim is not a number"),
        ("nbf", json!(NOW + 120), "token not valid yet"),
        ("iat", json!(NOW + 120), "token not valid yet"),
        ("iss", json!("https://other"), "invalid issuer"),
        // CVE-2024-5798: one text and a list are the same.
        ("aud", json!("other"), "invalid audience"),
        ("aud", json!(["other"]), "invalid audience"),
        ("aud", json!(null), "invalid audience"),
        ("org", json!({ "team": "green" }), "a bound claim does not match"),
        ("org", json!(null), "a bound claim is missing"),
        ("groups", json!({}), "the groups claim is not a list"),
        ("sub", json!(""), "the user claim is missing"),
    ] {
        let refusal =
            log_in(&bench, &issuer.sign(&with(name, value.clone()))).unwrap_err().to_string();
        assert!(refusal.contains(expected), "{name} {value}: {refusal}");
    }
    assert!(log_in(&bench, &issuer.sign(&with("aud", json!("casemate")))).is_ok());
    assert!(log_in(&bench, &issuer.sign(&with("exp", json!(NOW - 59)))).is_ok());
    bench.memory.pass(Seconds(361));
    assert!(log_in(&bench, &issuer.sign(&claims())).is_err());
}

#[test]
fn a_token_cannot_choose_how_it_is_checked() {
    let (issuer, other) = (Issuer::new(), Issuer::new());
    let bench = bench(&issuer);
    let good = issuer.sign(&claims());
    let forged = good.rsplit_once('.').unwrap().0.to_owned();
    let unsigned = |alg: &str| {
        let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.", encode(json!({ "alg": alg })), encode(claims()))
    };
    for jwt in [
        other.sign(&claims()),
        issuer.sign_as(&json!({ "alg": "HS256" }), &claims()),
        issuer.sign_as(&json!({ "alg": "RS256" }), &claims()),
        issuer.sign_as(&json!({ "alg": "ES256", "crit": ["x"] }), &claims()),
        unsigned("none"),
        unsigned("ES256"),
        format!("{forged}."),
        format!("{good}.x"),
        forged,
        "canary".to_owned(),
        "..".to_owned(),
    ] {
        let refusal = log_in(&bench, &jwt).unwrap_err();
        assert!(matches!(refusal, Error::BadCredentials(_)), "{jwt}");
        assert!(!refusal.to_string().contains("canary"));
    }
}

#[test]
fn keys_come_from_a_jwks_or_from_discovery() {
    let issuer = Issuer::new();
    let answer =
        |body: Value| OutboundResponse { status: 200, body: body.to_string().into_bytes() };
    let mut bench = bench(&issuer);
    bench.memory.answers.insert("https://issuer/jwks".to_owned(), answer(issuer.jwks("k1")));
    let document = json!({ "issuer": "https://issuer", "jwks_uri": "https://issuer/jwks" });
    let place = "https://issuer/.well-known/openid-configuration".to_owned();
    bench.memory.answers.insert(place.clone(), answer(document));
    let signed = |kid: &str| issuer.sign_as(&json!({ "alg": "ES256", "kid": kid }), &claims());
    for config in [
        json!({ "jwks_url": "https://issuer/jwks" }),
        json!({ "oidc_discovery_url": "https://issuer/" }),
    ] {
        let mut config = config;
        config["default_role"] = json!("r");
        bench.ask(Operation::Update, "config", config).unwrap();
        assert!(log_in(&bench, &signed("k1")).is_ok());
        assert!(log_in(&bench, &signed("k2")).is_err());
    }
    let other = json!({ "issuer": "https://other", "jwks_uri": "https://issuer/jwks" });
    bench.memory.answers.insert(place, answer(other));
    let refusal = bench.refusal(
        Operation::Update,
        "config",
        json!({ "oidc_discovery_url": "https://issuer" }),
    );
    assert!(refusal.contains("names another issuer"), "{refusal}");
}

#[test]
fn configuration_and_roles_are_checked() {
    let issuer = Issuer::new();
    let bench = Bench::new(Jwt, "auth/jwt/", MountClass::Auth);
    for (path, input, expected) in [
        ("config", json!({}), "exactly one of"),
        (
            "config",
            json!({ "jwt_validation_pubkeys": issuer.pem(), "jwks_url": "https://x" }),
            "exactly one of",
        ),
        ("config", json!({ "jwt_validation_pubkeys": "x" }), "error parsing public key"),
        (
            "config",
            json!({ "jwt_validation_pubkeys": issuer.pem(), "jwt_supported_algs": "none" }),
            "unsupported signing algorithm",
        ),
        ("role/r", json!({ "bound_subject": "x" }), "a user claim must be defined"),
        ("role/r", json!({ "user_claim": "sub" }), "must have at least one bound constraint"),
        (
            "role/r",
            json!({ "user_claim": "sub", "bound_subject": "x", "role_type": "oidc" }),
            "role_type must be \"jwt\"",
        ),
        ("login", json!({ "jwt": "x" }), "could not load configuration"),
    ] {
        let refusal = bench.refusal(Operation::Update, path, input);
        assert!(refusal.contains(expected), "{path}: {refusal}");
    }
    bench
        .ask(Operation::Create, "role/r", json!({ "user_claim": "sub", "bound_subject": "x" }))
        .unwrap();
    assert_eq!(bench.get(Operation::Read, "role/r", json!({}))["role_type"], "jwt");
}

proptest::proptest! {
    #[test]
    fn keys_and_tokens_never_panic(text in ".*", bytes in proptest::collection::vec(0u8..=255, 0..120)) {
        let pem = format!("-----BEGIN PUBLIC KEY-----{}-----END PUBLIC KEY-----", STANDARD.encode(bytes));
        let _ = key::from_pem(&pem);
        let _ = key::from_pem(&text);
        let _ = key::verify(&text, &[], &[]);
    }
}
