//! `sys/health`: the one path whose answer is its status code.

use hyper::{Method, StatusCode};
use serde_json::Value;
use vault::Core;
use vault_sdk::Data;

use super::answer::Answer;
use super::inbound::query;
use super::status;

pub(super) fn answer(core: &Core, method: &Method, parameters: Option<&str>) -> Answer {
    if method != Method::GET && method != Method::HEAD {
        return Answer::error(StatusCode::METHOD_NOT_ALLOWED, "unsupported method");
    }
    let Some(query) = query(parameters.unwrap_or_default()) else {
        return Answer::error(StatusCode::BAD_REQUEST, "the query is malformed");
    };
    let health = match core.health() {
        Ok(health) => health,
        Err(error) => return status::answer(&error),
    };
    let state =
        State { initialized: health.initialized, sealed: health.sealed, standby: health.standby };
    match state.code(&query) {
        Ok(code) => Answer::json(code, &health),
        Err(name) => {
            Answer::error(StatusCode::BAD_REQUEST, &format!("{name} is not a status code"))
        }
    }
}

struct State {
    initialized: bool,
    sealed: bool,
    standby: bool,
}

impl State {
    /// The status code, with the query's overrides.
    fn code(&self, query: &Data) -> Result<StatusCode, &'static str> {
        let code = |name: &'static str, usual: u16| {
            let code = match query.get(name) {
                None => Some(usual),
                Some(value) => value.as_str().and_then(|text| text.parse().ok()),
            };
            code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(name)
        };
        let flag = |name: &str| {
            query.get(name).and_then(Value::as_str).is_some_and(|v| v != "false" && v != "0")
        };
        let active = code("activecode", 200)?;
        let (uninitialised, sealed) = (code("uninitcode", 501)?, code("sealedcode", 503)?);
        let standby = if flag("standbyok") { active } else { code("standbycode", 429)? };
        code("performancestandbycode", 473)?;
        code("drsecondarycode", 472)?;
        Ok(match self {
            Self { initialized: false, .. } => uninitialised,
            Self { sealed: true, .. } => sealed,
            Self { standby: true, .. } => standby,
            _ => active,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_follow_the_state_and_the_query() {
        for (initialized, sealed, standby, parameters, expected) in [
            (true, false, false, "", Ok(200)),
            (true, false, false, "activecode=299", Ok(299)),
            (true, true, true, "", Ok(503)),
            (true, true, true, "sealedcode=200&uninitcode=201", Ok(200)),
            (false, true, true, "", Ok(501)),
            (false, true, true, "uninitcode=200", Ok(200)),
            (true, false, true, "", Ok(429)),
            (true, false, true, "standbyok=true", Ok(200)),
            (true, false, true, "standbycode=204", Ok(204)),
            (true, false, false, "standbycode=x", Err("standbycode")),
            (true, false, false, "activecode=99", Err("activecode")),
        ] {
            let state = State { initialized, sealed, standby };
            let code = state.code(&query(parameters).unwrap()).map(|code| code.as_u16());
            assert_eq!(code, expected, "{parameters}");
        }
    }
}
