//! The engine: made once, used for events that can leave nothing behind in it.

use super::budget::{self, Budget};
use super::host::{self, Traces};
use super::message::{self, NO_MEMORY};
use super::script::{self, Origin, Script};
use crate::edge::event::{Event, Kind};
use crate::edge::kvs::KeyValues;
use crate::edge::outcome::{ErrorKind, Outcome, RunError};
use crate::edge::runtime::Runtime;
use crate::edge::validate::validate;
use rquickjs::context::EvalOptions;
use rquickjs::{Array, Context, Ctx, Exception, Function, Object, Persistent, Value};
use serde_json::{Map, json};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

/// What a function may use. The prelude's own memory is not counted: see [`PRELUDE`].
const MEMORY: usize = 2 << 20;

/// What the engine and the prelude hold before the function comes, rounded up.
const PRELUDE: usize = 640 << 10;

/// More than a function can fill with small things before its time is over.
const PLENTY: usize = 256 << 20;

/// How deep calls may go, in bytes of stack: enough for some thousands of calls, as at the edge.
pub(super) const STACK: usize = 1 << 20;

/// An engine with the world of the edge in it, and one script.
///
/// What is kept of the engine's values has to go before the engine: the fields are in that order.
pub(super) struct Engine {
    world: World,
    /// The script as a function: calling it runs the script from its top and answers the handler.
    script: Persistent<Function<'static>>,
    imports: Persistent<Array<'static>>,
    /// Goes round until it is stopped, and the function that tells how often it went.
    turns: (Persistent<Function<'static>>, Persistent<Function<'static>>),
    rejections: Rejections,
    budget: Rc<Budget>,
    traces: Rc<Traces>,
    /// From places in what the engine was given to places in what was uploaded.
    origin: Origin,
    /// Whether a bare `null` was thrown, or an error of the engine's that says nothing.
    threw_bare: Cell<bool>,
    context: Context,
}

/// The prelude's side of the world.
struct World {
    begin: Persistent<Function<'static>>,
    read: Persistent<Function<'static>>,
    event: Persistent<Function<'static>>,
    result: Persistent<Function<'static>>,
    describe: Persistent<Function<'static>>,
}

/// Promises that were rejected while nobody listened, with the reasons.
type Rejections = Rc<RefCell<Vec<(Persistent<Value<'static>>, Persistent<Value<'static>>)>>>;

impl Engine {
    /// Runs a script for one event, in the engine at hand if there is one. A run that was stopped takes the engine with it.
    pub(super) fn run(
        slot: &mut Option<Self>,
        script: &Script,
        runtime: Runtime,
        pairs: &KeyValues,
        (event, exactly): (&Event, Exactly),
    ) -> Outcome {
        let engine = match slot.take().map_or_else(|| Self::new(script, runtime, pairs), Ok) {
            Ok(engine) => engine,
            Err(error) => return Outcome::failed(error),
        };
        let mut outcome = engine.outcome(event, exactly);
        if engine.threw_bare.get()
            && let Ok(roomy) = Self::new(script, runtime, pairs)
        {
            // The engine throws a bare `null` when there is no memory left for an error, or an error for whose words there is none; a
            // script may do so at any time. Where there is plenty of memory, it is the script.
            roomy.context.runtime().set_memory_limit(PLENTY);
            roomy.outcome(event, exactly);
            if !roomy.threw_bare.get() {
                outcome.error = Some(RunError::execution(NO_MEMORY));
            }
        }
        let stopped = engine.budget.is_exceeded() || outcome.error.as_ref().is_some_and(|error| error.message == NO_MEMORY);
        if !stopped && !script.is_lasting() {
            *slot = Some(engine);
        }
        outcome
    }

    fn new(script: &Script, runtime: Runtime, pairs: &KeyValues) -> Result<Self, RunError> {
        // Nothing of this can fail for lack of anything but memory, and there is enough of that.
        let internal = |error: rquickjs::Error| RunError::execution(format!("InternalError: {error}"));
        let budget = Rc::new(Budget::default());
        let traces = Rc::new(Traces::default());
        let rejections = Rejections::default();
        let engine = rquickjs::Runtime::new().map_err(internal)?;
        engine.set_max_stack_size(STACK);
        // Counting takes memory that the function would not take.
        engine.set_memory_limit(if script.is_counted() { 4 * (MEMORY + PRELUDE) } else { MEMORY + PRELUDE });
        let meter = budget.clone();
        engine.set_interrupt_handler(Some(Box::new(move || meter.tick())));
        let noticed = rejections.clone();
        engine.set_host_promise_rejection_tracker(Some(Box::new(move |ctx, promise, reason, handled| {
            let mut noticed = noticed.borrow_mut();
            if handled {
                noticed.retain(|(known, _)| known.clone().restore(&ctx).is_ok_and(|known| known != promise));
            } else {
                noticed.push((Persistent::save(&ctx, promise), Persistent::save(&ctx, reason)));
            }
        })));
        let context = Context::full(&engine).map_err(internal)?;
        let made = context.with(|ctx| {
            make(&ctx, script, runtime, pairs, &budget, &traces).map_err(|error| {
                // What our parser took and the engine did not: an expression that only PCRE could read.
                let name = |exception: &Exception<'_>| exception.get::<_, String>("name").unwrap_or_default();
                match ctx.catch().as_exception() {
                    Some(thrown) => RunError::execution(message::joined(&name(thrown), &thrown.message().unwrap_or_default())),
                    None => internal(error),
                }
            })
        });
        let origin = script.origin();
        let (world, script, imports, turns) = made?;
        let threw_bare = Cell::new(false);
        Ok(Self { world, script, imports, turns, rejections, budget, traces, origin, threw_bare, context })
    }

    fn outcome(&self, event: &Event, exactly: Exactly) -> Outcome {
        self.traces.begin();
        self.threw_bare.set(false);
        let (returned, spent) = self.context.with(|ctx| {
            self.budget.begin();
            let mut spent = None;
            let mut returned = self.call(&ctx, event, exactly, &mut spent);
            self.rejections.borrow_mut().clear();
            if self.budget.is_exceeded() {
                ctx.catch();
                returned = Err(budget::exceeded());
            }
            (returned, spent.unwrap_or_else(|| self.spent(&ctx, exactly)))
        });
        let mut outcome = Outcome {
            utilization: if self.budget.is_exceeded() { 100 } else { budget::percent(spent) },
            logs: self.traces.logs.take(),
            origin: self.traces.origin.take(),
            reached: self.traces.reached.take(),
            ..Outcome::default()
        };
        let checked = returned.and_then(|value| validate(event, value));
        match checked.and_then(|value| self.traces.origin_error.take().map_or(Ok(value), Err)) {
            Ok(value) => outcome.result = Some(value),
            Err(error) => {
                let stack = self.traces.stack.take();
                outcome.trace = if error.kind == ErrorKind::Execution && !self.budget.is_exceeded() { stack } else { Vec::new() };
                outcome.error = Some(error);
            }
        }
        outcome
    }

    /// Runs the script, then its handler, then whatever that left to be done. What was spent on that is noted, without what it
    /// takes to make the event and to read the result, which are not the function's.
    fn call(
        &self,
        ctx: &Ctx<'_>,
        event: &Event,
        exactly: Exactly,
        spent: &mut Option<u32>,
    ) -> Result<Option<serde_json::Value>, RunError> {
        let fail = |error: rquickjs::Error| match error {
            rquickjs::Error::Exception => self.thrown(ctx, ctx.catch()),
            other => RunError::execution(format!("InternalError: {other}")),
        };
        let restored = |function: &Persistent<Function<'static>>| function.clone().restore(ctx).map_err(fail);
        let request = event.kind() == Kind::ViewerRequest;
        restored(&self.world.begin)?
            .call::<_, ()>((event.time() as f64, request, event.raw_query().map(str::to_owned)))
            .map_err(fail)?;
        let given: Value<'_> = match event.text() {
            text if host::is_plain(text) => ctx.json_parse(text).map_err(fail)?,
            text => restored(&self.world.read)?.call((script::without_pairs(text),)).map_err(fail)?,
        };
        let given: Value<'_> = restored(&self.world.event)?.call((given,)).map_err(fail)?;
        if exactly == Exactly::Yes {
            self.left_of_tick(ctx);
        }
        self.budget.begin();

        let imports = self.imports.clone().restore(ctx).map_err(fail)?;
        let handler: Value<'_> = restored(&self.script)?.call((imports,)).map_err(fail)?;
        let Some(handler) = handler.as_function() else {
            return Err(RunError::execution("ReferenceError: \"handler\" is not defined"));
        };
        let mut returned: Value<'_> = handler.call((given,)).map_err(fail)?;
        let mut own = None;
        if let Some(promise) = returned.as_promise().cloned() {
            own = Some(promise.clone().into_value());
            returned = match promise.finish() {
                Ok(value) => value,
                Err(rquickjs::Error::WouldBlock) => {
                    return Err(RunError::execution("Error: the promise of the handler is never settled"));
                }
                Err(error) => return Err(fail(error)),
            };
        }
        // What the handler did not wait for is still done, and may still fail.
        while ctx.execute_pending_job() {}
        self.unheard(ctx, own.as_ref())?;
        if !self.budget.is_exceeded() {
            *spent = Some(self.spent(ctx, exactly));
            // A getter of what was returned may still loop.
            self.budget.begin();
        }
        let json = || {
            let Some(json) = ctx.json_stringify(returned)? else { return Ok(None) };
            let json = json.to_string()?;
            // What stands for characters that the engine writes as two.
            Ok(Some(if json.contains("\\ud") { self.world.result.clone().restore(ctx)?.call((json,))? } else { json }))
        };
        match json() {
            Ok(text) => Ok(text.and_then(|text: String| serde_json::from_str(&text).ok())),
            // A circle, or a getter that throws: there is a result, but none that can be read.
            Err(error) => {
                let error = fail(error);
                Err(RunError::validation(format!("The CloudFront function returned an invalid value: {}", error.message)))
            }
        }
    }

    /// A rejected promise that nobody listens to ends a run at the edge, whatever the handler returned.
    fn unheard<'js>(&self, ctx: &Ctx<'js>, own: Option<&Value<'js>>) -> Result<(), RunError> {
        let reason = self.rejections.borrow().iter().find_map(|(promise, reason)| {
            let promise = promise.clone().restore(ctx).ok();
            (promise.as_ref() != own).then(|| reason.clone().restore(ctx).ok())
        });
        match reason {
            None => Ok(()),
            Some(reason) => {
                let reason = reason.map_or_else(String::new, |reason| self.thrown(ctx, reason).message);
                Err(RunError::execution(format!("Error: unhandled promise rejection: {reason}")))
            }
        }
    }

    /// An exception in the words of the edge.
    fn thrown<'js>(&self, ctx: &Ctx<'js>, value: Value<'js>) -> RunError {
        if value.is_null() {
            self.threw_bare.set(true);
            return RunError::execution("null");
        }
        let exception = value.as_object().and_then(|object| Exception::from_object(object.clone()));
        let is_internal = |exception: &Exception<'_>| exception.get::<_, String>("name").is_ok_and(|name| name == "InternalError");
        if let Some(exception) = exception.filter(is_internal) {
            match exception.message().as_deref() {
                Some("out of memory") => return RunError::execution(NO_MEMORY),
                None | Some("") => self.threw_bare.set(true),
                Some(_) => {}
            }
        }
        let describe = self.world.describe.clone().restore(ctx);
        match describe.and_then(|describe| describe.call::<_, Vec<String>>((value,))) {
            Ok(parts) => {
                let part = |at: usize| parts.get(at).map_or("", String::as_str);
                self.traces.stack.replace(message::frames(part(2), &self.origin, part(1)));
                RunError::execution(message::joined(part(0), part(1)))
            }
            Err(_) => {
                ctx.catch();
                RunError::execution("Error: an error that cannot be described")
            }
        }
    }

    /// Everything that the function itself has spent since the budget began.
    fn spent(&self, ctx: &Ctx<'_>, exactly: Exactly) -> u32 {
        if exactly == Exactly::No {
            return self.budget.spent(TICK, TICK);
        }
        let left = if self.budget.is_exceeded() { 0 } else { self.left_of_tick(ctx) };
        self.budget.spent(TICK, left).saturating_sub(STEP)
    }

    /// How many turns of a loop are missing to the next tick: made, and counted. The next tick is a whole one.
    ///
    /// The engine asks its handler once in ten thousand, too coarsely to tell one small function from another.
    fn left_of_tick(&self, ctx: &Ctx<'_>) -> u32 {
        let (go, count) = &self.turns;
        let (Ok(go), Ok(count)) = (go.clone().restore(ctx), count.clone().restore(ctx)) else { return 0 };
        self.budget.probe();
        let _ = go.call::<_, ()>(());
        ctx.catch();
        count.call(()).unwrap_or(0)
    }
}

/// Whether a run is counted to the turn, or in whole ticks. Finding out what is left of a tick takes up to a whole one, twice, which
/// is several times as long as what most functions do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::edge) enum Exactly {
    /// To the turn.
    Yes,
    /// In whole ticks.
    No,
}

/// The turns of a loop in one tick: the engine ticks once in ten thousand calls and jumps, and a turn is two of them.
const TICK: u32 = 5_000;

/// What [`Engine::left_of_tick`] is exact to. It rounds down, so that a function that does nothing has spent one of these.
const STEP: u32 = 50;

/// Goes round until the engine stops it, and tells how often. A turn is two jumps; each inner loop is one, and takes a third of
/// the time of a `for` that counts.
fn turns() -> String {
    let jumps = "while(f);".repeat(2 * STEP as usize - 1);
    format!("(function(){{var n;return[function(f){{for(n=0;;n+={STEP}){{{jumps}}}}},function(){{return n}}]}})()")
}

/// The parts of the world, each a function of what it needs.
const PARTS: &[(&str, &str)] = &[
    ("clock", include_str!("clock.js")),
    ("cwt", include_str!("cwt.js")),
    ("modules", include_str!("modules.js")),
    ("order", include_str!("order.js")),
    ("patterns", include_str!("patterns.js")),
    ("show", include_str!("show.js")),
    ("texts", include_str!("texts.js")),
];

/// Those of them that only a function has use for that names a module. They are a third of it all.
const MODULES: &[&str] = &["cwt", "modules"];

type Kept = Persistent<Function<'static>>;
type Made = (World, Kept, Persistent<Array<'static>>, (Kept, Kept));

fn make<'js>(
    ctx: &Ctx<'js>,
    script: &Script,
    runtime: Runtime,
    pairs: &KeyValues,
    budget: &Rc<Budget>,
    traces: &Rc<Traces>,
) -> rquickjs::Result<Made> {
    let config = json!({
        "runtime": if runtime == Runtime::V1 { 1 } else { 2 },
        "kvs": pairs.0,
        "requirable": runtime.requirable(),
        "importable": runtime.importable(),
        "surface": surface(runtime),
        "letters": script.letters().collect::<Vec<_>>(),
        "patterns": script.patterns(),
    });
    let config = ctx.json_parse(config.to_string())?;
    let turns: Array<'js> = ctx.eval(turns())?;
    let parts = Object::new(ctx.clone())?;
    for (name, code) in PARTS.iter().filter(|(name, _)| script.wants_modules() || !MODULES.contains(name)) {
        parts.set(*name, ctx.eval::<Value<'js>, _>(*code)?)?;
    }
    let prelude: Function<'js> = ctx.eval(include_str!("prelude.js"))?;
    let world: Object<'js> = prelude.call((host::object(ctx, script, runtime, traces, budget)?, config, parts))?;
    let imported: Object<'js> = world.get("imported")?;
    let imports = Array::new(ctx.clone())?;
    for (at, module) in script.imports().enumerate() {
        imports.set(at, imported.get::<_, Value<'js>>(module)?)?;
    }
    if script.is_counted() {
        host::count(ctx, traces)?;
    }
    let mut options = EvalOptions::default();
    options.strict = true;
    options.global = true;
    options.filename = Some("function.js".to_owned());
    let script: Function<'js> = ctx.eval_with_options(script.code(), options)?;
    let saved = |name: &str| Ok::<_, rquickjs::Error>(Persistent::save(ctx, world.get::<_, Function<'js>>(name)?));
    let world = World {
        begin: saved("begin")?,
        read: saved("read")?,
        event: saved("event")?,
        result: saved("result")?,
        describe: saved("describe")?,
    };
    let turn = |at| Ok::<_, rquickjs::Error>(Persistent::save(ctx, turns.get::<Function<'js>>(at)?));
    let turns = (turn(0)?, turn(1)?);
    Ok((world, Persistent::save(ctx, script), Persistent::save(ctx, imports), turns))
}

/// The surface as objects, for the prelude to look names up in.
fn surface(runtime: Runtime) -> Map<String, serde_json::Value> {
    let names = |names: &BTreeSet<&str>| names.iter().map(|name| ((*name).to_owned(), json!(true))).collect();
    runtime.surface().iter().map(|(object, list)| ((*object).to_owned(), serde_json::Value::Object(names(list)))).collect()
}
