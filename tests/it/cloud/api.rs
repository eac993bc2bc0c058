//! CloudFront's API, as the SDK's model has it (`2020-05-31`).

use super::{Function, Invalidation, Shared, World};
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

const NAMESPACE: &str = "http://cloudfront.amazonaws.com/doc/2020-05-31/";
/// How large a function may be, in bytes.
const CODE: usize = 10_240;
const PATHS: usize = 3_000;
const WILDCARDS: usize = 15;

fn parts(request: &Request) -> Vec<&str> {
    request.uri().path().trim_start_matches("/2020-05-31/").split('/').collect()
}

/// AWS's name of what is asked.
pub(super) fn operation(request: &Request) -> String {
    let name = match (request.method().as_str(), parts(request).as_slice()) {
        ("GET", ["distribution", _]) => "GetDistribution",
        ("POST", ["distribution", _, "invalidation"]) => "CreateInvalidation",
        ("GET", ["distribution", _, "invalidation"]) => "ListInvalidations",
        ("GET", ["distribution", _, "invalidation", _]) => "GetInvalidation",
        ("POST", ["function"]) => "CreateFunction",
        ("GET", ["function", _, "describe"]) => "DescribeFunction",
        ("GET", ["function", _]) => "GetFunction",
        ("PUT", ["function", _]) => "UpdateFunction",
        ("POST", ["function", _, "test"]) => "TestFunction",
        ("POST", ["function", _, "publish"]) => "PublishFunction",
        ("DELETE", ["function", _]) => "DeleteFunction",
        _ => "Other",
    };
    name.to_owned()
}

pub(super) fn error(code: &str, message: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>Sender</Type><Code>{code}</Code>\
         <Message>{message}</Message></Error><RequestId>r</RequestId></ErrorResponse>"
    )
}

/// An answer that is no success.
struct Refusal(u16, &'static str);

type Answer = Result<Response, Refusal>;

fn xml(status: u16, headers: &[(&'static str, &str)], body: String) -> Response {
    let body = format!("<?xml version=\"1.0\"?>\n{body}");
    let mut response = (StatusCode::from_u16(status).expect("a status"), [("content-type", "text/xml")], body).into_response();
    for (name, value) in headers {
        let name = HeaderName::from_static(name);
        response.headers_mut().insert(name, HeaderValue::from_str(value).expect("a header"));
    }
    response
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn unescaped(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
    text.replace("&#39;", "'").replace("&#xA;", "\n").replace("&#xD;", "\r").replace("&amp;", "&")
}

/// What stands between the tags of a name.
fn texts(body: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut found = Vec::new();
    let mut rest = body;
    while let Some((_, after)) = rest.split_once(&open) {
        let Some((text, next)) = after.split_once(&close) else { break };
        found.push(unescaped(text));
        rest = next;
    }
    found
}

fn text(body: &str, name: &str) -> String {
    texts(body, name).into_iter().next().unwrap_or_default()
}

pub(super) async fn answer(shared: &Arc<Shared>, operation: &str, request: Request) -> Response {
    let parts: Vec<String> = parts(&request).into_iter().map(str::to_owned).collect();
    let name = parts.get(1).cloned().unwrap_or_default();
    let tag = request.headers().get("if-match").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let is_live = request.uri().query().is_some_and(|query| query.contains("Stage=LIVE"));
    let has_body = matches!(*request.method(), Method::POST | Method::PUT);
    let bytes = axum::body::to_bytes(request.into_body(), usize::MAX).await.unwrap_or_default();
    let body = if has_body { String::from_utf8_lossy(&bytes).into_owned() } else { String::new() };
    let result = if operation == "TestFunction" {
        test(shared, name, tag, body).await
    } else {
        let mut world = shared.world();
        world.settle();
        match operation {
            "GetDistribution" => distribution(&world, &name),
            "CreateInvalidation" => create_invalidation(&mut world, &name, &body),
            "ListInvalidations" => list_invalidations(&world, &name),
            "GetInvalidation" => get_invalidation(&mut world, &name, &parts[3]),
            "CreateFunction" => create_function(&mut world, &body),
            "DescribeFunction" => describe_function(&world, &name, is_live),
            "GetFunction" => get_function(&world, &name, is_live),
            "UpdateFunction" => update_function(&mut world, &name, tag, &body),
            "PublishFunction" => publish_function(&mut world, &name, tag),
            "DeleteFunction" => delete_function(&mut world, &name, tag),
            _ => Err(Refusal(404, "UnknownOperation")),
        }
    };
    result.unwrap_or_else(|Refusal(status, code)| {
        xml(status, &[], error(code, "refused by the double").split_once('\n').expect("two lines").1.to_owned())
    })
}

fn distribution(world: &World, id: &str) -> Answer {
    let distribution = world.distributions.get(id).ok_or(Refusal(404, "NoSuchDistribution"))?;
    let all = [(&distribution.function, "viewer-request"), (&distribution.response_function, "viewer-response")];
    let functions: Vec<String> = all
        .into_iter()
        .filter_map(|(name, event)| {
            Some(format!(
                "<FunctionAssociation><FunctionARN>arn:aws:cloudfront::123456789012:function/{}</FunctionARN><EventType>{event}\
                 </EventType></FunctionAssociation>",
                name.as_ref()?
            ))
        })
        .collect();
    let functions = format!(
        "<FunctionAssociations><Quantity>{}</Quantity><Items>{}</Items></FunctionAssociations>",
        functions.len(),
        functions.concat()
    );
    let tags = distribution.tag_header.as_ref();
    let tags = tags.map_or_else(String::new, |name| format!("<CacheTagConfig><HeaderName>{name}</HeaderName></CacheTagConfig>"));
    let body = format!(
        "<Distribution xmlns=\"{NAMESPACE}\"><Id>{id}</Id><ARN>arn:aws:cloudfront::123456789012:distribution/{id}</ARN>\
         <Status>Deployed</Status><LastModifiedTime>2026-11-23T10:00:00Z</LastModifiedTime>\
         <InProgressInvalidationBatches>0</InProgressInvalidationBatches><DomainName>{}.cloudfront.net</DomainName>\
         <DistributionConfig><CallerReference>c</CallerReference><DefaultRootObject>index.html</DefaultRootObject>\
         <Origins><Quantity>1</Quantity><Items><Origin><Id>o</Id><DomainName>{}.s3.amazonaws.com</DomainName>\
         <OriginPath>/{}</OriginPath></Origin></Items></Origins><DefaultCacheBehavior><TargetOriginId>o</TargetOriginId>\
         <ViewerProtocolPolicy>redirect-to-https</ViewerProtocolPolicy>{functions}</DefaultCacheBehavior>\
         <Comment></Comment><Enabled>true</Enabled>{tags}</DistributionConfig></Distribution>",
        id.to_lowercase(),
        distribution.bucket,
        distribution.prefix,
    );
    Ok(xml(200, &[("etag", "E2QWRUHAPOMQZL")], body))
}

fn invalidation(one: &Invalidation) -> String {
    let items: String = one.items.iter().map(|item| format!("<Path>{}</Path>", escaped(item))).collect();
    format!(
        "<Invalidation xmlns=\"{NAMESPACE}\"><Id>{}</Id><Status>{}</Status><CreateTime>2026-11-23T10:00:00.000Z</CreateTime>\
         <InvalidationBatch><Paths><Quantity>{}</Quantity><Items>{items}</Items></Paths><CallerReference>{}</CallerReference>\
         </InvalidationBatch></Invalidation>",
        one.id,
        word(one),
        one.items.len(),
        escaped(&one.reference)
    )
}

fn word(one: &Invalidation) -> &'static str {
    if one.is_complete { "Completed" } else { "InProgress" }
}

/// Whether CloudFront takes such a path, or such a tag.
fn is_path(path: &str) -> bool {
    if let Some(tag) = path.strip_prefix('#') {
        return (1..=256).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',');
    }
    let bytes = path.as_bytes();
    let is_escape = |at: usize| bytes.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
    path.starts_with('/')
        && path.len() <= 4_000
        && bytes.iter().enumerate().all(|(at, byte)| match byte {
            b'%' => is_escape(at),
            b'~' | b'"' | b'#' | b'<' | b'>' | b'[' | b'\\' | b']' | b'^' | b'`' | b'{' | b'|' | b'}' => false,
            byte => byte.is_ascii_graphic(),
        })
}

fn create_invalidation(world: &mut World, id: &str, body: &str) -> Answer {
    let (items, reference) = (texts(body, "Path"), text(body, "CallerReference"));
    let number = world.next();
    let pace = world.pace;
    let distribution = world.distributions.get_mut(id).ok_or(Refusal(404, "NoSuchDistribution"))?;
    if text(body, "Quantity").parse() != Ok(items.len()) {
        return Err(Refusal(400, "InconsistentQuantities"));
    }
    if items.is_empty() || reference.is_empty() || !items.iter().all(|item| is_path(item)) {
        return Err(Refusal(400, "InvalidArgument"));
    }
    let sorted = |items: &[String]| {
        let mut items = items.to_vec();
        items.sort();
        items
    };
    if let Some(known) = distribution.invalidations.iter().find(|one| one.reference == reference) {
        if sorted(&known.items) != sorted(&items) {
            return Err(Refusal(400, "InvalidationBatchAlreadyExists"));
        }
        return Ok(xml(201, &[], invalidation(known)));
    }
    let running = distribution.invalidations.iter().filter(|one| !one.is_complete).flat_map(|one| &one.items);
    let (wildcards, paths): (Vec<&String>, Vec<&String>) = running.chain(&items).partition(|item| item.ends_with('*'));
    if wildcards.len() > WILDCARDS || paths.len() > PATHS {
        return Err(Refusal(400, "TooManyInvalidationsInProgress"));
    }
    let billed = items.len();
    let one = Invalidation {
        id: format!("I{number:013}"),
        reference,
        items,
        polls: pace.polls,
        until: Instant::now() + pace.time,
        is_complete: false,
        is_obeyed: false,
    };
    distribution.invalidations.push(one);
    world.billed += billed;
    world.settle();
    let one = world.distributions[id].invalidations.last().expect("the one that was just made");
    Ok(xml(201, &[("location", &format!("/2020-05-31/distribution/{id}/invalidation/{}", one.id))], invalidation(one)))
}

fn list_invalidations(world: &World, id: &str) -> Answer {
    let distribution = world.distributions.get(id).ok_or(Refusal(404, "NoSuchDistribution"))?;
    let rows: String = distribution
        .invalidations
        .iter()
        .rev()
        .take(100)
        .map(|one| {
            format!(
                "<InvalidationSummary><Id>{}</Id><CreateTime>2026-11-23T10:00:00.000Z</CreateTime><Status>{}</Status>\
                 </InvalidationSummary>",
                one.id,
                word(one)
            )
        })
        .collect();
    let body = format!(
        "<InvalidationList xmlns=\"{NAMESPACE}\"><Marker></Marker><MaxItems>100</MaxItems><IsTruncated>false</IsTruncated>\
         <Quantity>{}</Quantity><Items>{rows}</Items></InvalidationList>",
        distribution.invalidations.len().min(100)
    );
    Ok(xml(200, &[], body))
}

fn get_invalidation(world: &mut World, id: &str, asked: &str) -> Answer {
    let distribution = world.distributions.get_mut(id).ok_or(Refusal(404, "NoSuchDistribution"))?;
    let one = distribution.invalidations.iter_mut().find(|one| one.id == asked).ok_or(Refusal(404, "NoSuchInvalidation"))?;
    let body = invalidation(one);
    one.polls = one.polls.saturating_sub(1);
    Ok(xml(200, &[], body))
}

fn summary(name: &str, function: &Function, is_live: bool) -> String {
    let (stage, runtime) = match &function.live {
        Some((_, _, runtime)) if is_live => ("LIVE", runtime),
        _ => ("DEVELOPMENT", &function.runtime),
    };
    format!(
        "<FunctionSummary xmlns=\"{NAMESPACE}\"><Name>{name}</Name><Status>{}</Status><FunctionConfig><Comment>{}</Comment>\
         <Runtime>{runtime}</Runtime></FunctionConfig><FunctionMetadata><FunctionARN>\
         arn:aws:cloudfront::123456789012:function/{name}</FunctionARN><Stage>{stage}</Stage>\
         <CreatedTime>2026-11-23T10:00:00Z</CreatedTime><LastModifiedTime>2026-11-23T10:00:00Z</LastModifiedTime>\
         </FunctionMetadata></FunctionSummary>",
        if function.live.is_some() { "UNASSOCIATED" } else { "UNPUBLISHED" },
        escaped(&function.comment),
    )
}

/// The code of a request, if it is not too large.
fn code(body: &str) -> Result<Vec<u8>, Refusal> {
    let code = BASE64_STANDARD.decode(text(body, "FunctionCode")).map_err(|_| Refusal(400, "InvalidArgument"))?;
    if code.len() > CODE {
        return Err(Refusal(413, "FunctionSizeLimitExceeded"));
    }
    Ok(code)
}

fn create_function(world: &mut World, body: &str) -> Answer {
    let name = text(body, "Name");
    if world.functions.contains_key(&name) {
        return Err(Refusal(409, "FunctionAlreadyExists"));
    }
    let (comment, runtime) = (text(body, "Comment"), text(body, "Runtime"));
    let function = Function { comment, runtime, code: code(body)?, tag: world.tag(), live: None };
    let answer = xml(
        201,
        &[("etag", &function.tag), ("location", &format!("/2020-05-31/function/{name}"))],
        summary(&name, &function, false),
    );
    world.functions.insert(name, function);
    Ok(answer)
}

/// A function at a stage: code and tag.
fn staged<'a>(world: &'a World, name: &str, is_live: bool) -> Result<(&'a Function, &'a [u8], &'a str), Refusal> {
    let function = world.functions.get(name).ok_or(Refusal(404, "NoSuchFunctionExists"))?;
    match (&function.live, is_live) {
        (Some((code, tag, _)), true) => Ok((function, code, tag)),
        (None, true) => Err(Refusal(404, "NoSuchFunctionExists")),
        (_, false) => Ok((function, &function.code, &function.tag)),
    }
}

fn describe_function(world: &World, name: &str, is_live: bool) -> Answer {
    let (function, _, tag) = staged(world, name, is_live)?;
    Ok(xml(200, &[("etag", tag)], summary(name, function, is_live)))
}

fn get_function(world: &World, name: &str, is_live: bool) -> Answer {
    let (_, code, tag) = staged(world, name, is_live)?;
    let headers = [("content-type", "application/octet-stream"), ("etag", tag)];
    Ok((StatusCode::OK, headers, code.to_vec()).into_response())
}

/// The function that is to be changed, if the tag is DEVELOPMENT's.
fn changeable<'a>(world: &'a mut World, name: &str, tag: Option<String>) -> Result<&'a mut Function, Refusal> {
    let function = world.functions.get_mut(name).ok_or(Refusal(404, "NoSuchFunctionExists"))?;
    match tag {
        None => Err(Refusal(400, "InvalidIfMatchVersion")),
        Some(tag) if tag != function.tag => Err(Refusal(412, "PreconditionFailed")),
        Some(_) => Ok(function),
    }
}

fn update_function(world: &mut World, name: &str, tag: Option<String>, body: &str) -> Answer {
    let (next, other) = (world.tag(), world.tag());
    let is_stale = world.stale_update_tags;
    let function = changeable(world, name, tag)?;
    function.code = code(body)?;
    function.comment = text(body, "Comment");
    function.runtime = text(body, "Runtime");
    function.tag = if is_stale { other } else { next.clone() };
    // Not a slip: the model has it so.
    Ok(xml(200, &[("ettag", &next)], summary(name, function, false)))
}

fn publish_function(world: &mut World, name: &str, tag: Option<String>) -> Answer {
    let live = world.tag();
    let function = changeable(world, name, tag)?;
    function.live = Some((function.code.clone(), live, function.runtime.clone()));
    Ok(xml(200, &[], summary(name, function, true)))
}

fn delete_function(world: &mut World, name: &str, tag: Option<String>) -> Answer {
    changeable(world, name, tag)?;
    if world.distributions.values().any(|distribution| distribution.function.as_deref() == Some(name)) {
        return Err(Refusal(409, "FunctionInUse"));
    }
    world.functions.remove(name);
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Runs the function in njs, which is CloudFront's own engine in another version.
async fn test(shared: &Arc<Shared>, name: String, tag: Option<String>, body: String) -> Answer {
    let (code, head) = {
        let mut world = shared.world();
        let is_live = text(&body, "Stage") == "LIVE";
        let function = changeable(&mut world, &name, tag)?;
        let code = match &function.live {
            Some((code, ..)) if is_live => code.clone(),
            _ => function.code.clone(),
        };
        (String::from_utf8_lossy(&code).into_owned(), summary(&name, function, is_live))
    };
    let event = BASE64_STANDARD.decode(text(&body, "EventObject")).ok();
    let event: Value = event.and_then(|event| serde_json::from_slice(&event).ok()).ok_or(Refusal(400, "InvalidArgument"))?;
    let said = tokio::task::spawn_blocking(move || njs(&code, &event)).await.expect("njs runs");
    let (output, message) = match said {
        Ok(value) => (value.to_string(), String::new()),
        Err(message) => (String::new(), message),
    };
    Ok(xml(
        200,
        &[],
        format!(
            "<TestResult xmlns=\"{NAMESPACE}\">{}<ComputeUtilization>12</ComputeUtilization><FunctionExecutionLogs>\
             </FunctionExecutionLogs><FunctionErrorMessage>{}</FunctionErrorMessage><FunctionOutput>{}</FunctionOutput>\
             </TestResult>",
            head.replace(&format!(" xmlns=\"{NAMESPACE}\""), ""),
            escaped(&message),
            escaped(&output)
        ),
    ))
}

/// What a handler returns for an event, in the form in which CloudFront gives it back, or what went wrong.
fn njs(code: &str, event: &Value) -> Result<Value, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("function.js");
    let event = json!(event.to_string());
    let harness = format!(
        "{code}\n;(function () {{\n  function fail(error) {{ console.log(JSON.stringify({{ error: String(error) }})); }}\n  \
         try {{ Promise.resolve(handler(JSON.parse({event}))).then(function (value) {{ console.log(JSON.stringify({{ value: value }})); }}, fail); }} \
         catch (error) {{ fail(error); }}\n}})();\n"
    );
    std::fs::write(&file, harness).expect("written");
    let output = Command::new("njs").arg("-q").arg(&file).output().expect("njs, from `apt-get install -y njs`");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let Some(line) = said.lines().last().and_then(|line| serde_json::from_str::<Value>(line).ok()) else {
        return Err(format!("{said}{}", String::from_utf8_lossy(&output.stderr)).trim().to_owned());
    };
    if let Some(error) = line["error"].as_str() {
        return Err(error.to_owned());
    }
    let mut value = line["value"].clone();
    if !value.is_object() {
        return Err("The CloudFront function returned an invalid value: it must be an object".to_owned());
    }
    let kind = if value.get("statusCode").is_some() { "response" } else { "request" };
    let parts: &[&str] = if kind == "response" { &["headers", "cookies"] } else { &["headers", "cookies", "querystring"] };
    for part in parts {
        if value.get(*part).is_none() {
            value[*part] = json!({});
        }
    }
    Ok(json!({ kind: value }))
}
