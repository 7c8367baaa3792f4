use super::*;

#[test]
fn reads_what_starts_a_vault() {
    let config = Config::parse(
        r#"
        ui = true
        disable_mlock = true
        api_addr = "https://vault.example:8200"
        storage "raft" { path = "/data" node_id = "one" }
        listener "tcp" {
          address = ":8200"
          tls_cert_file = "/tls/cert.pem"
          tls_key_file = "/tls/key.pem"
          tls_client_ca_file = "/tls/ca.pem"
          tls_min_version = "tls13"
          max_request_size = 1024
          telemetry { unauthenticated_metrics_access = true }
        }
        listener "unix" { address = "/run/s.sock" socket_mode = "660" }
        default_lease_ttl = "1h"
        telemetry { prometheus_retention_time = "30s" }
        "#,
    )
    .unwrap();
    assert_eq!(config.storage, Some(Storage::File("/data".into())));
    let tcp = &config.listeners[0];
    assert_eq!(tcp.address, Address::Tcp("0.0.0.0:8200".to_owned()));
    assert_eq!(tcp.limits.request_size, 1024);
    assert!(tcp.unauthenticated_metrics);
    let tls = tcp.tls.as_ref().unwrap();
    assert!(tls.only_tls13);
    assert_eq!(tls.client_ca_file, Some("/tls/ca.pem".into()));
    let unix = Address::Unix { path: "/run/s.sock".into(), mode: Some(0o660) };
    assert_eq!(config.listeners[1].address, unix);
    assert!(config.listeners[1].tls.is_none());
    assert_eq!(config.default_lease_ttl, Seconds(3600));
    assert_eq!(config.warnings, [""; 0]);
}

#[test]
fn reads_the_old_stanzas_in_json() {
    let config = Config::parse(
        r#"{"backend": {"inmem": {}}, "listener": [{"tcp": {"address": "127.0.0.1:1", "tls_disable": 1}}],
            "disable_mlock": true, "default_lease_ttl": "768h", "max_lease_ttl": 60}"#,
    )
    .unwrap();
    assert_eq!(config.storage, Some(Storage::Memory));
    assert_eq!(config.listeners[0].address, Address::Tcp("127.0.0.1:1".to_owned()));
    assert!(config.listeners[0].tls.is_none());
    assert_eq!(config.max_lease_ttl, Seconds(60));
}

#[test]
fn unknown_keys_are_warnings_and_unsafe_ones_are_errors() {
    let config = Config::parse("colour = 1\nlistener \"tcp\" { tls_disable = 1 x_forwarded_for_authorized_addrs = \"10.0.0.0/8\" }").unwrap();
    assert_eq!(config.warnings.len(), 2, "{:?}", config.warnings);
    for (text, expected) in [
        ("storage \"consul\" {}", "storage \"consul\" is not supported"),
        ("storage \"file\" {}", "path of storage \"file\" must be a folder"),
        ("seal \"awskms\" {}", "seal \"awskms\" is not supported"),
        ("listener \"tcp\" {}", "'tls_cert_file' and 'tls_key_file' must be set"),
        ("listener \"unix\" {}", "address of a unix listener must be a path"),
        ("listener = 3", "listener on line 1 is not a block"),
        ("ui = \"maybe\"", "ui must be true or false"),
        ("max_lease_ttl = \"x\"", "max_lease_ttl must be a duration"),
    ] {
        let error = Config::parse(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn folders_are_read_in_order() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("b.json"), r#"{"cluster_name": "b"}"#).unwrap();
    std::fs::write(folder.path().join("a.hcl"), "cluster_name = \"a\"\nui = true").unwrap();
    std::fs::write(folder.path().join("c.txt"), "not read").unwrap();
    let config = Config::load(&[folder.path().to_owned()]).unwrap();
    assert_eq!((config.cluster_name.as_str(), config.ui), ("b", true));
    let missing = Config::load(&[folder.path().join("none.hcl")]);
    assert!(missing.unwrap_err().to_string().starts_with("cannot read the configuration"));
}
