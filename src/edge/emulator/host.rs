//! What the engine asks of Rust: bytes, digests, and somewhere to print.

use super::budget::Budget;
use super::script::Script;
use super::{message, pattern};
use crate::edge::keys;
use crate::edge::outcome::{Frame, RunError};
use crate::edge::runtime::Runtime;
use crate::edge::syntax;
use crate::script::{COUNTER, Call};
use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use digest::{Digest, KeyInit, Mac};
use hmac::Hmac;
use hmac::digest;
use md5::Md5;
use rquickjs::{Ctx, Function, Object, TypedArray};
use serde_json::Value;
use sha1::Sha1;
use sha2::Sha256;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

/// CloudFront cuts a run's log at this many bytes.
const MAX_LOG: usize = 10_240;

/// Decoders that mind neither missing padding nor bits that stand for nothing.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent).with_decode_allow_trailing_bits(true);
const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT.with_encode_padding(false));

/// What a run leaves outside of the engine.
#[derive(Default)]
pub(super) struct Traces {
    /// What was printed.
    pub(super) logs: RefCell<Vec<String>>,
    logged: Cell<usize>,
    /// What was asked of the origin.
    pub(super) origin: RefCell<Vec<Value>>,
    /// The first thing wrong with that.
    pub(super) origin_error: RefCell<Option<RunError>>,
    /// Where the last error was thrown.
    pub(super) stack: RefCell<Vec<Frame>>,
    /// The branches that were taken, of a script that counts them.
    pub(super) reached: RefCell<BTreeSet<usize>>,
}

impl Traces {
    /// Forgets the run before.
    pub(super) fn begin(&self) {
        self.logs.take();
        self.logged.set(0);
        self.origin.take();
        self.origin_error.take();
        self.stack.take();
        self.reached.take();
    }

    fn log(&self, text: &str) {
        let room = MAX_LOG - self.logged.get();
        if room == 0 {
            return;
        }
        let mut end = text.len().min(room);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        // A line counts a byte even if it is empty, or a loop could fill the memory with nothing.
        let full = end < text.len();
        self.logged.set(if full { MAX_LOG } else { (self.logged.get() + end.max(1)).min(MAX_LOG) });
        self.logs.borrow_mut().push(text[..end].to_owned());
    }
}

/// The object that the prelude is given.
pub(super) fn object<'js>(
    ctx: &Ctx<'js>,
    script: &Script,
    runtime: Runtime,
    traces: &Rc<Traces>,
    budget: &Rc<Budget>,
) -> rquickjs::Result<Object<'js>> {
    let host = Object::new(ctx.clone())?;
    let bytes = |ctx: Ctx<'js>, bytes: Vec<u8>| TypedArray::<u8>::new(ctx, bytes);

    host.set("encode", Function::new(ctx.clone(), move |ctx: Ctx<'js>, text: String| bytes(ctx, text.into_bytes()))?)?;
    host.set("decode", Function::new(ctx.clone(), |data: String| String::from_utf8_lossy(&view(&data)).into_owned())?)?;
    host.set("isText", Function::new(ctx.clone(), |data: String| std::str::from_utf8(&view(&data)).is_ok())?)?;
    host.set(
        "toBase64",
        Function::new(ctx.clone(), |data: String, url: bool| match url {
            true => BASE64_URL.encode(view(&data)),
            false => BASE64.encode(view(&data)),
        })?,
    )?;
    host.set(
        "fromBase64",
        Function::new(ctx.clone(), move |ctx: Ctx<'js>, text: String| {
            let text = text.replace('-', "+").replace('_', "/");
            // A single letter at the end holds no whole byte.
            let whole = if text.len() % 4 == 1 { text.len() - 1 } else { text.len() };
            bytes(ctx, text.get(..whole).and_then(|text| BASE64.decode(text).ok()).unwrap_or_default())
        })?,
    )?;

    let meter = budget.clone();
    host.set(
        "hash",
        Function::new(ctx.clone(), move |ctx: Ctx<'js>, name: String, data: String| {
            meter.spend(cost(data.len()));
            let data = view(&data);
            bytes(
                ctx,
                match name.as_str() {
                    "md5" => Md5::digest(&data).to_vec(),
                    "sha1" => Sha1::digest(&data).to_vec(),
                    _ => Sha256::digest(&data).to_vec(),
                },
            )
        })?,
    )?;
    let meter = budget.clone();
    host.set(
        "hmac",
        Function::new(ctx.clone(), move |ctx: Ctx<'js>, name: String, key: String, data: String| {
            meter.spend(2 * cost(data.len()));
            let (key, data) = (view(&key), view(&data));
            bytes(
                ctx,
                match name.as_str() {
                    "md5" => mac::<Hmac<Md5>>(&key, &data),
                    "sha1" => mac::<Hmac<Sha1>>(&key, &data),
                    _ => mac::<Hmac<Sha256>>(&key, &data),
                },
            )
        })?,
    )?;

    // Of texts without half pairs, which is all that can leave the engine.
    host.set("hasLong", Function::new(ctx.clone(), |text: String| is_long(&text))?)?;
    host.set("isAscii", Function::new(ctx.clone(), |text: String| text.is_ascii())?)?;
    host.set("areDealt", Function::new(ctx.clone(), |text: String| keys::are_dealt(&text))?)?;
    // The places of names, in the order of the edge.
    host.set(
        "kept",
        Function::new(ctx.clone(), |names: Vec<String>| {
            let named: Vec<(usize, String)> = names.into_iter().enumerate().collect();
            keys::kept(named, |(_, name)| name).into_iter().map(|(at, _)| at).collect::<Vec<_>>()
        })?,
    )?;
    host.set("hasIndex", Function::new(ctx.clone(), |text: String| has_index(&text))?)?;
    // What is wrong with a pattern, or nothing; and the pattern for the engine.
    host.set(
        "pattern",
        Function::new(ctx.clone(), move |pattern: String, flags: String| {
            let wrong = syntax::pattern_error(&pattern, &flags, runtime).unwrap_or_default();
            vec![wrong, pattern::translate(&pattern, &flags)]
        })?,
    )?;
    let code: Rc<str> = script.code().into();
    let constants = script.constants().clone();
    host.set(
        "words",
        Function::new(ctx.clone(), move |name: String, said: String, native: bool, line: usize, column: usize| {
            message::translate(&name, &said, native, &constants, || message::called(&code, line, column))
        })?,
    )?;

    let printed = traces.clone();
    host.set("log", Function::new(ctx.clone(), move |text: String| printed.log(&text))?)?;
    let asked = traces.clone();
    host.set(
        "origin",
        Function::new(ctx.clone(), move |call: String, arguments: String, present: Vec<String>| {
            let arguments: Value = serde_json::from_str(&arguments).unwrap_or_default();
            if let Err(error) = crate::edge::origin::validate_whole(&call, &arguments, &present) {
                asked.origin_error.borrow_mut().get_or_insert(error);
            }
            asked.origin.borrow_mut().push(serde_json::json!({ "call": call, "with": arguments }));
        })?,
    )?;
    Ok(host)
}

/// Whether the engine reads a JSON text as the edge does: nothing in it stands for a character that the engine writes as two, and no
/// key looks like an integer.
pub(super) fn is_plain(json: &str) -> bool {
    !json.contains("\\u") && !is_long(json) && !has_index(json)
}

fn is_long(text: &str) -> bool {
    text.bytes().any(|byte| byte >= 0xf0)
}

/// Whether a JSON text may hold a key that looks like an integer: digits in quotes, and a colon behind them.
fn has_index(json: &str) -> bool {
    json.match_indices('"').any(|(at, _)| {
        let rest = json[at + 1..].trim_start_matches(|letter: char| letter.is_ascii_digit());
        let digits = json.len() - at - 1 - rest.len();
        (1..=10).contains(&digits) && rest.strip_prefix('"').is_some_and(|rest| rest.trim_start().starts_with(':'))
    })
}

/// Gives the world what a script that counts its branches calls: see [`Call`] for what the numbers mean.
pub(super) fn count<'js>(ctx: &Ctx<'js>, traces: &Rc<Traces>) -> rquickjs::Result<()> {
    let counted = traces.clone();
    let hit = Function::new(ctx.clone(), move |branch: usize| {
        counted.reached.borrow_mut().insert(branch);
    })?;
    let [falsy, truthy, there, begins, ends, turns] =
        [Call::IfFalsy, Call::IfTruthy, Call::IfThere, Call::Begins, Call::Ends, Call::Turns].map(|call| call as u8);
    let make: Function<'js> = ctx.eval(format!(
        "(function (hit) {{ var open = {{}}; return function (branch, call, value) {{
           switch (call) {{
             case undefined: hit(branch); break;
             case {falsy}: if (!value) hit(branch); break;
             case {truthy}: if (value) hit(branch); break;
             case {there}: if (value !== null && value !== undefined) hit(branch); break;
             case {begins}: open[branch] = true; break;
             case {turns}: open[branch] = false; break;
             case {ends}: if (open[branch]) hit(branch); open[branch] = false; break;
           }}
           return value;
         }}; }})"
    ))?;
    ctx.globals().set(COUNTER, make.call::<_, Function<'js>>((hit,))?)
}

/// The bytes that the characters of a text stand for. To look into an array of the engine's is unsafe.
fn view(text: &str) -> Vec<u8> {
    text.chars().map(|letter| letter as u8).collect()
}

fn mac<M: Mac + KeyInit>(key: &[u8], data: &[u8]) -> Vec<u8> {
    // A key of any length will do for an HMAC; there is nothing else that could fail.
    <M as KeyInit>::new_from_slice(key).map(|mac| mac.chain_update(data).finalize().into_bytes().to_vec()).unwrap_or_default()
}

/// A digest is worth a few dozen calls, and a call for each of its blocks.
fn cost(bytes: usize) -> usize {
    30 + bytes / 64
}
