//! The parameters of `cf.updateRequestOrigin` and its like: a wrong one fails the request, and no test shows it.
//!
//! The limits are those of AWS's page on the helper methods for origins. Two refusals are measured, not documented: a
//! `hostHeader` is taken only where origin access control is switched off in the same call, and an origin group takes none.

use super::outcome::RunError;
use serde_json::Value;

/// Refuses arguments of which some part is refused, whatever the others are.
pub(super) fn validate(call: &str, arguments: &Value) -> Result<(), RunError> {
    let first = &arguments[0];
    refused(
        call,
        match call {
            "updateRequestOrigin" => settings(first),
            "selectRequestOriginById" => selected(first, &arguments[1]),
            "createRequestOriginGroup" => group(first),
            _ => Ok(()),
        },
    )
}

/// As [`validate`], and what one part demands of another. `present` are the names of the request's headers.
pub(super) fn validate_whole(call: &str, arguments: &Value, present: &[String]) -> Result<(), RunError> {
    validate(call, arguments)?;
    match call {
        "updateRequestOrigin" => refused(call, together(&arguments[0], present)),
        _ => Ok(()),
    }
}

/// CloudFront's sentence, and our reason behind it.
fn refused(call: &str, checked: Checked) -> Result<(), RunError> {
    checked.map_err(|why| {
        RunError::validation(format!("The CloudFront function returned an invalid value for origin rewrite. ({call}: {why})"))
    })
}

/// What is wrong, in our words.
type Checked = Result<(), String>;

fn ensure(sound: bool, why: impl FnOnce() -> String) -> Checked {
    if sound { Ok(()) } else { Err(why()) }
}

/// An object of these keys and no others.
fn object(value: &Value, name: &str, known: &[&str]) -> Checked {
    let Some(entries) = value.as_object() else { return Err(format!("{name} must be an object")) };
    match entries.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(format!("{name} has no {key}")),
        None => Ok(()),
    }
}

/// An optional text.
fn text(given: &Value, name: &str, most: usize) -> Checked {
    match &given[name] {
        Value::Null => Ok(()),
        Value::String(text) if !text.is_empty() && text.len() <= most => Ok(()),
        _ => Err(format!("{name} must be a text of 1 to {most} bytes")),
    }
}

/// An optional whole number.
fn within(given: &Value, name: &str, low: u64, high: u64) -> Checked {
    let value = &given[name];
    let sound = value.is_null() || value.as_u64().is_some_and(|number| (low..=high).contains(&number));
    ensure(sound, || format!("{name} must be a whole number from {low} to {high}"))
}

/// An optional one of some texts.
fn one_of(given: &Value, name: &str, words: &[&str]) -> Checked {
    let value = &given[name];
    let sound = value.is_null() || value.as_str().is_some_and(|word| words.contains(&word));
    ensure(sound, || format!("{name} must be one of {}", words.join(", ")))
}

/// An optional `true` or `false`.
fn switch(given: &Value, name: &str) -> Checked {
    ensure(given[name].is_null() || given[name].is_boolean(), || format!("{name} must be true or false"))
}

fn together(given: &Value, present: &[String]) -> Checked {
    if !given["hostHeader"].is_null() {
        ensure(given["originAccessControlConfig"]["enabled"] == false, || {
            "hostHeader needs originAccessControlConfig: { enabled: false } in the same call".to_owned()
        })?;
    }
    let address = &given["customOriginConfig"]["ipAddressType"];
    ensure(address.is_null() || given["domainName"].is_string(), || "ipAddressType needs a domainName".to_owned())?;
    let twice = given["customHeaders"].as_object().and_then(|fields| fields.keys().find(|name| present.contains(name)));
    twice.map_or(Ok(()), |name| Err(format!("the custom header {name} is in the request already")))
}

fn settings(given: &Value) -> Checked {
    let known = [
        "domainName",
        "hostHeader",
        "originPath",
        "customHeaders",
        "connectionAttempts",
        "originShield",
        "originAccessControlConfig",
        "timeouts",
        "customOriginConfig",
        "sni",
        "allowedCertificateNames",
    ];
    object(given, "the argument", &known)?;
    let access = &given["originAccessControlConfig"];
    let is_s3 = access["originType"] == "s3";
    text(given, "domainName", if is_s3 { 128 } else { 253 })?;
    if let Some(name) = given["domainName"].as_str() {
        let is_address = name.contains(':') || name.parse::<std::net::Ipv4Addr>().is_ok();
        ensure(!is_address, || "domainName must be a name, without a port, and no address".to_owned())?;
        ensure(!is_s3 || !name.bytes().any(|byte| byte.is_ascii_uppercase()), || "domainName must be in lower case".to_owned())?;
    }
    text(given, "hostHeader", 253)?;
    match &given["originPath"] {
        Value::Null => {}
        Value::String(path) => {
            let sound = path.is_empty() || (path.starts_with('/') && !path.ends_with('/') && path.len() <= 255);
            ensure(sound, || "originPath must begin with a slash, end without one, and have 255 bytes at most".to_owned())?;
        }
        _ => return Err("originPath must be a text".to_owned()),
    }
    custom_headers(&given["customHeaders"])?;
    within(given, "connectionAttempts", 1, 3)?;
    let shield = &given["originShield"];
    if !shield.is_null() {
        object(shield, "originShield", &["enabled", "region"])?;
        switch(shield, "enabled")?;
        text(shield, "region", 64)?;
        ensure(shield["enabled"] != true || shield["region"].is_string(), || "originShield needs a region".to_owned())?;
    }
    if !access.is_null() {
        object(access, "originAccessControlConfig", &["enabled", "signingBehavior", "signingProtocol", "originType"])?;
        switch(access, "enabled")?;
        one_of(access, "signingBehavior", &["always", "never", "no-override"])?;
        one_of(access, "signingProtocol", &["sigv4"])?;
        one_of(access, "originType", &["s3", "mediapackagev2", "mediastore", "lambda"])?;
    }
    timeouts(&given["timeouts"])?;
    let custom = &given["customOriginConfig"];
    if !custom.is_null() {
        object(custom, "customOriginConfig", &["port", "protocol", "sslProtocols", "ipAddressType"])?;
        within(custom, "port", 1, 65_535)?;
        one_of(custom, "protocol", &["http", "https"])?;
        let versions = ["SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2"];
        let sound = |list: &Vec<Value>| list.iter().all(|one| one.as_str().is_some_and(|one| versions.contains(&one)));
        let protocols = &custom["sslProtocols"];
        ensure(protocols.is_null() || protocols.as_array().is_some_and(sound), || {
            format!("sslProtocols must be a list of {}", versions.join(", "))
        })?;
        one_of(custom, "ipAddressType", &["ipv4", "ipv6", "dualstack"])?;
    }
    certificates(given)
}

/// Names in lower case that are not forbidden, each with a text.
fn custom_headers(fields: &Value) -> Checked {
    let Some(entries) = fields.as_object() else {
        return ensure(fields.is_null(), || "customHeaders must be an object of texts".to_owned());
    };
    for (name, value) in entries {
        ensure(value.is_string(), || format!("the value of the custom header {name} must be a text"))?;
        ensure(!name.bytes().any(|byte| byte.is_ascii_uppercase()), || format!("the custom header {name} must be in lower case"))?;
        ensure(!super::headers::disallowed(name), || format!("the custom header {name} is disallowed"))?;
    }
    Ok(())
}

fn timeouts(given: &Value) -> Checked {
    if given.is_null() {
        return Ok(());
    }
    let known = ["readTimeout", "responseCompletionTimeout", "keepAliveTimeout", "connectionTimeout"];
    object(given, "timeouts", &known)?;
    within(given, "readTimeout", 1, 120)?;
    within(given, "keepAliveTimeout", 1, 120)?;
    within(given, "connectionTimeout", 1, 10)?;
    match (given["responseCompletionTimeout"].as_u64(), given["readTimeout"].as_u64()) {
        (None, _) => ensure(given["responseCompletionTimeout"].is_null(), || {
            "responseCompletionTimeout must be a whole number of seconds".to_owned()
        }),
        (Some(whole), read) => ensure(whole >= read.unwrap_or(1), || "responseCompletionTimeout is below readTimeout".to_owned()),
    }
}

/// What TLS is spoken with.
fn certificates(given: &Value) -> Checked {
    text(given, "sni", 253)?;
    let names = &given["allowedCertificateNames"];
    let sound = |list: &Vec<Value>| list.len() <= 20 && list.iter().all(|one| one.as_str().is_some_and(|name| name.len() <= 64));
    ensure(names.is_null() || names.as_array().is_some_and(sound), || {
        "allowedCertificateNames must be a list of 20 texts of 64 bytes at most".to_owned()
    })
}

fn selected(id: &Value, overrides: &Value) -> Checked {
    ensure(id.as_str().is_some_and(|id| !id.is_empty()), || "the id of an origin must be a text".to_owned())?;
    if overrides.is_null() {
        return Ok(());
    }
    object(overrides, "the second argument", &["hostHeader", "sni", "allowedCertificateNames"])?;
    text(overrides, "hostHeader", 253)?;
    certificates(overrides)
}

fn group(given: &Value) -> Checked {
    object(given, "the argument", &["originIds", "selectionCriteria", "failoverCriteria"])?;
    let origins = given["originIds"].as_array().filter(|origins| origins.len() == 2);
    let Some(origins) = origins else { return Err("originIds must be a list of two".to_owned()) };
    for origin in origins {
        object(origin, "an origin of the group", &["originId", "originOverrides"])?;
        ensure(origin["originOverrides"]["hostHeader"].is_null(), || {
            "CloudFront refuses a hostHeader in an origin group".to_owned()
        })?;
        selected(&origin["originId"], &origin["originOverrides"])?;
    }
    one_of(given, "selectionCriteria", &["default", "media-quality-score"])?;
    let codes = given["failoverCriteria"]["statusCodes"].as_array();
    let sound = |code: &Value| code.as_u64().is_some_and(|code| (400..=599).contains(&code));
    ensure(codes.is_some_and(|codes| !codes.is_empty() && codes.iter().all(sound)), || {
        "failoverCriteria.statusCodes must be a list of statuses from 400 to 599".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wrong(call: &str, arguments: Value) -> Option<String> {
        let error = validate_whole(call, &arguments, &["x-here".to_owned()]).err()?;
        error.message.split_once(&format!("({call}: ")).map(|(_, why)| why.trim_end_matches(')').to_owned())
    }

    #[test]
    fn what_is_documented_is_taken() {
        for settings in [
            json!({}),
            json!({"domainName": "a.example", "originPath": "/v1", "connectionAttempts": 3, "customHeaders": {}}),
            json!({"domainName": "b.s3.us-west-2.amazonaws.com", "originAccessControlConfig":
                {"enabled": true, "signingBehavior": "always", "signingProtocol": "sigv4", "originType": "s3"}}),
            json!({"hostHeader": "x.example", "originAccessControlConfig": {"enabled": false}}),
            json!({"timeouts": {"readTimeout": 30, "responseCompletionTimeout": 60, "keepAliveTimeout": 5, "connectionTimeout": 10},
                "originShield": {"enabled": true, "region": "us-west-2"}, "sni": "a", "allowedCertificateNames": ["a"]}),
            json!({"domainName": "a.example", "customOriginConfig":
                {"port": 8443, "protocol": "https", "sslProtocols": ["TLSv1.2"], "ipAddressType": "dualstack"}}),
        ] {
            assert_eq!(wrong("updateRequestOrigin", json!([settings])), None, "{settings}");
        }
        assert_eq!(wrong("selectRequestOriginById", json!(["b", {"hostHeader": "x"}])), None);
        let group = json!([{"originIds": [{"originId": "a"}, {"originId": "b"}], "failoverCriteria": {"statusCodes": [500, 404]}}]);
        assert_eq!(wrong("createRequestOriginGroup", group), None);
    }

    #[test]
    fn documented_limits_hold() {
        let long = "x".repeat(254);
        for (settings, part) in [
            (json!({"domainName": "10.0.0.1"}), "domainName"),
            (json!({"domainName": "a.example:80"}), "domainName"),
            (json!({"domainName": long}), "domainName"),
            (json!({"domainName": "A.s3", "originAccessControlConfig": {"originType": "s3"}}), "lower case"),
            (json!({"originPath": "/v1/"}), "originPath"),
            (json!({"originPath": "v1"}), "originPath"),
            (json!({"hostHeader": "a"}), "hostHeader"),
            (json!({"connectionAttempts": 4}), "connectionAttempts"),
            (json!({"connectionAttempts": "1"}), "connectionAttempts"),
            (json!({"customHeaders": {"X-A": "1"}}), "lower case"),
            (json!({"customHeaders": {"x-here": "1"}}), "already"),
            (json!({"customHeaders": {"x-edge-a": "1"}}), "disallowed"),
            (json!({"customHeaders": {"x-a": {"value": "1"}}}), "text"),
            (json!({"timeouts": {"readTimeout": 121}}), "readTimeout"),
            (json!({"timeouts": {"readTimeout": 30, "responseCompletionTimeout": 20}}), "below"),
            (json!({"timeouts": {"connectionTimeout": 11}}), "connectionTimeout"),
            (json!({"originShield": {"enabled": true}}), "region"),
            (json!({"originAccessControlConfig": {"signingBehavior": "sometimes"}}), "signingBehavior"),
            (json!({"customOriginConfig": {"protocol": "ftp"}}), "protocol"),
            (json!({"customOriginConfig": {"ipAddressType": "ipv6"}}), "domainName"),
            (json!({"allowedCertificateNames": vec!["a"; 21]}), "allowedCertificateNames"),
            (json!({"domain": "a"}), "no domain"),
            (json!("a"), "object"),
        ] {
            let said = wrong("updateRequestOrigin", json!([settings])).unwrap_or_default();
            assert!(said.contains(part), "{settings}: {said}");
        }
        for (call, arguments) in [
            ("selectRequestOriginById", json!([""])),
            ("selectRequestOriginById", json!(["a", {"originPath": "/"}])),
            ("createRequestOriginGroup", json!([{"originIds": [{"originId": "a"}]}])),
            ("createRequestOriginGroup", json!([{"originIds": ["a", "b"], "failoverCriteria": {"statusCodes": [500]}}])),
            (
                "createRequestOriginGroup",
                json!([{"originIds": [{"originId": "a"}, {"originId": "b", "originOverrides": {"hostHeader": "x"}}],
                    "failoverCriteria": {"statusCodes": [500]}}]),
            ),
        ] {
            assert!(wrong(call, arguments.clone()).is_some(), "{call} {arguments}");
        }
    }
}
