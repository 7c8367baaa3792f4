//! A model of AESM: a server on a UNIX socket that speaks its protocol.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "values in tests are small"
)]

use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread;

use super::*;

/// What the model answers.
#[derive(Clone, Copy)]
struct Model {
    algorithms: &'static [u32],
    error_code: u64,
    cut: usize,
}

const WORKING: Model = Model { algorithms: &[0, ECDSA_P256], error_code: 0, cut: 0 };

fn key_id(algorithm: u32) -> Vec<u8> {
    let mut id = vec![0; KEY_ID_SIZE];
    id[KEY_ID_ALGORITHM..KEY_ID_ALGORITHM + 4].copy_from_slice(&algorithm.to_le_bytes());
    id
}

fn target() -> TargetInfo {
    TargetInfo { measurement: sgx_types::Mrenclave([0xaa; 32]), ..TargetInfo::ZERO }
}

impl Model {
    /// Answers one request, given the fields of the whole message.
    fn answer(&self, request: &Fields) -> Message {
        let numbers = [15, 16, 17, 21, 22];
        let number = numbers.into_iter().find(|n| request.find(*n).is_some()).unwrap();
        let body = Fields::parse(request.bytes(number).unwrap()).unwrap();
        assert!(body.varint(9).is_some_and(|us| us >= 1_000_000), "a timeout in microseconds");
        let answer = Message::new().varint(1, self.error_code);
        let ecdsa = key_id(ECDSA_P256);
        let is_ecdsa = |field| assert_eq!(body.bytes(field), Some(ecdsa.as_slice()));
        let answer = match number {
            21 => answer.varint(2, self.algorithms.len() as u64),
            22 => {
                let ids: Vec<u8> = self.algorithms.iter().flat_map(|a| key_id(*a)).collect();
                assert_eq!(body.varint(1), Some(ids.len() as u64));
                answer.bytes(2, &ids)
            }
            15 => {
                is_ecdsa(1);
                let answer = answer.varint(3, 32);
                if body.varint(3) == Some(0) {
                    answer
                } else {
                    assert_eq!(body.varint(4), Some(32));
                    answer.bytes(2, &target().to_bytes()).bytes(4, &[1; 32])
                }
            }
            16 => {
                is_ecdsa(1);
                answer.varint(2, 700)
            }
            _ => {
                is_ecdsa(2);
                assert_eq!(body.varint(4), Some(700));
                let report = body.bytes(1).unwrap();
                answer.bytes(2, &[b"quote of ", &report[..4]].concat())
            }
        };
        Message::new().message(number, &answer)
    }

    fn serve(self, socket: &Path) {
        let listener = UnixListener::bind(socket).unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut len = [0; 4];
                stream.read_exact(&mut len).unwrap();
                let mut request = vec![0; u32::from_le_bytes(len) as usize];
                stream.read_exact(&mut request).unwrap();
                let answer = self.answer(&Fields::parse(&request).unwrap()).into_bytes();
                let answer = &answer[..answer.len() - self.cut];
                stream.write_all(&(answer.len() as u32).to_le_bytes()).unwrap();
                stream.write_all(answer).unwrap();
            }
        });
    }
}

/// A client of a served model; the directory must outlive it.
fn client(model: Model) -> (Aesm, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("aesm.socket");
    model.serve(&socket);
    (Aesm::new(socket), dir)
}

#[test]
fn target_and_quote_come_from_the_ecdsa_key() {
    let (aesm, _dir) = client(WORKING);
    assert_eq!(aesm.quote_target().unwrap(), target());
    let mut report = Report::ZERO;
    report.body.cpusvn = *b"svn of this cpu.";
    assert_eq!(aesm.quote(&report).unwrap(), b"quote of svn ");
}

#[test]
fn refusals_say_what_to_do() {
    let (aesm, _dir) = client(Model { algorithms: &[0], ..WORKING });
    let error = aesm.quote_target().unwrap_err().to_string();
    assert!(error.contains("no ECDSA attestation key"), "{error}");
    let (aesm, _dir) = client(Model { error_code: 44, ..WORKING });
    let error = aesm.quote(&Report::ZERO).unwrap_err().to_string();
    assert!(error.contains("error 44") && error.contains("PCCS"), "{error}");
    let (aesm, _dir) = client(Model { cut: 1, ..WORKING });
    assert!(aesm.quote(&Report::ZERO).is_err(), "a cut answer");
    let absent = Aesm::new(PathBuf::from("/nonexistent/aesm.socket"));
    let error = absent.quote_target().unwrap_err().to_string();
    assert!(error.contains("is aesmd running"), "{error}");
}
