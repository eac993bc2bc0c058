//! The parameters of `cf.updateRequestOrigin` and its like: a wrong one fails the request, and no test shows it.

use super::outcome::RunError;
use serde_json::Value;

/// Refuses what is documented as refused.
pub(super) fn validate(call: &str, arguments: &Value) -> Result<(), RunError> {
    let first = &arguments[0];
    let sound = match call {
        "updateRequestOrigin" => first.is_object() && settings(first),
        "selectRequestOriginById" => first.as_str().is_some_and(|id| !id.is_empty()),
        "createRequestOriginGroup" => {
            let origins = first["originIds"].as_array();
            let codes = first["failoverCriteria"]["statusCodes"].as_array();
            origins.is_some_and(|origins| origins.len() == 2 && origins.iter().all(|origin| origin["originId"].is_string()))
                && codes.is_some_and(|codes| !codes.is_empty() && codes.iter().all(Value::is_u64))
        }
        _ => true,
    };
    if sound { Ok(()) } else { Err(RunError::validation("The CloudFront function returned an invalid value for origin rewrite.")) }
}

fn settings(given: &Value) -> bool {
    let text = |name: &str, fits: &dyn Fn(&str) -> bool| match &given[name] {
        Value::Null => true,
        Value::String(text) => fits(text),
        _ => false,
    };
    let within = |value: &Value, low: u64, high: u64| value.is_null() || value.as_u64().is_some_and(|n| (low..=high).contains(&n));
    let is_address = |name: &str| name.parse::<std::net::Ipv4Addr>().is_ok() || name.contains(':');
    let timeouts = &given["timeouts"];
    text("domainName", &|name| !name.is_empty() && name.len() <= 253 && !is_address(name))
        && text("hostHeader", &|name| name.len() <= 253)
        && text("sni", &|name| name.len() <= 253)
        && text("originPath", &|path| path.is_empty() || (path.starts_with('/') && !path.ends_with('/') && path.len() <= 255))
        && within(&given["connectionAttempts"], 1, 3)
        && within(&timeouts["readTimeout"], 1, 120)
        && within(&timeouts["keepAliveTimeout"], 1, 120)
        && within(&timeouts["connectionTimeout"], 1, 10)
        && given["customHeaders"].as_object().is_none_or(|fields| {
            fields.iter().all(|(name, value)| {
                value.is_string() && !name.chars().any(char::is_uppercase) && !super::headers::disallowed(name)
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn documented_limits_hold() {
        let sound = |settings: Value| validate("updateRequestOrigin", &json!([settings])).is_ok();
        assert!(sound(json!({"domainName": "a.example", "originPath": "/v1", "connectionAttempts": 3})));
        assert!(!sound(json!({"domainName": "10.0.0.1"})));
        assert!(!sound(json!({"domainName": "a.example:80"})));
        assert!(!sound(json!({"originPath": "/v1/"})));
        assert!(!sound(json!({"connectionAttempts": 4})));
        assert!(!sound(json!({"customHeaders": {"X-A": "1"}})));
        assert!(validate("createRequestOriginGroup", &json!([{"originIds": [{"originId": "a"}]}])).is_err());
    }
}
