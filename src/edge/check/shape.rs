//! What a value is, as far as that can be read off a script.

/// Who says what is in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// The script, or nobody knows.
    Plain,
    /// The viewer: the path as it came.
    Uri,
    /// The viewer: a value of the query.
    Query,
    /// The viewer: a header, a cookie, or something made of what the viewer sent.
    Input,
    /// The key-value store.
    Store,
}

impl Origin {
    /// Whether somebody else than the script's author chose it.
    pub(super) fn is_input(self) -> bool {
        self != Self::Plain
    }

    /// Who says what is in a text that was made of this one.
    pub(super) fn derived(self) -> Self {
        match self {
            Self::Uri | Self::Query => Self::Input,
            other => other,
        }
    }

    /// Who says what is in a text made of both.
    pub(super) fn with(self, other: Self) -> Self {
        match (self, other) {
            (a, b) if a == b => a,
            (Self::Plain, other) | (other, Self::Plain) => other.derived(),
            _ => Self::Input,
        }
    }
}

/// An object of names and `{ value }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Table {
    RequestHeaders,
    /// Of the response that came from the origin.
    ResponseHeaders,
    /// Of a response that the script writes itself.
    OwnHeaders,
    Query,
    RequestCookies,
    ResponseCookies,
    OwnCookies,
}

impl Table {
    pub(super) fn is_headers(self) -> bool {
        matches!(self, Self::RequestHeaders | Self::ResponseHeaders | Self::OwnHeaders)
    }

    /// Whether the script knows what is in it, since it wrote it.
    pub(super) fn is_own(self) -> bool {
        matches!(self, Self::OwnHeaders | Self::OwnCookies)
    }

    /// One of its entries, for a sentence.
    pub(super) fn entry(self) -> &'static str {
        match self {
            Self::RequestHeaders | Self::ResponseHeaders | Self::OwnHeaders => "header",
            Self::Query => "query parameter",
            Self::RequestCookies | Self::ResponseCookies | Self::OwnCookies => "cookie",
        }
    }
}

/// What a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Nothing flows here but what is being looked for: the rest of the join decides.
    Circular,
    Unknown,
    Event,
    Request,
    /// The origin's.
    Response,
    /// A response that the script writes itself: an object with a `statusCode`.
    OwnResponse,
    Table(Table),
    Entry(Table, Option<String>),
    Text(Origin),
    Number,
    Bool,
    /// `undefined` or `null`.
    Nothing,
    /// With who says what is in its items, where they are texts.
    List(Origin),
    /// A literal that is nothing else.
    Object,
    Pattern,
    Function,
    Promise,
    /// The promise of a text from the store.
    Read,
    Buffer,
    Hash,
    Date,
    /// A module of the edge.
    Module(String),
    /// A handle on the key-value store.
    Store,
    /// Something of the runtime's, by its name.
    Global(String),
}

impl Shape {
    /// What it is when it can be either.
    pub(super) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Circular, other) | (other, Self::Circular) => other,
            (Self::Text(a), Self::Text(b)) => Self::Text(if a == b { a } else { a.with(b) }),
            (Self::List(a), Self::List(b)) => Self::List(a.with(b)),
            (a, b) if a == b => a,
            _ => Self::Unknown,
        }
    }

    /// For a sentence, where it is something that has a name.
    pub(super) fn name(&self) -> Option<&'static str> {
        Some(match self {
            Self::Event => "the event",
            Self::Request => "the request",
            Self::Response | Self::OwnResponse => "a response",
            Self::Table(_) => "a table of names",
            Self::Text(_) => "a string",
            Self::Number => "a number",
            Self::Bool => "a truth value",
            Self::Nothing => "nothing",
            Self::List(_) => "an array",
            Self::Pattern => "a regular expression",
            Self::Function => "a function",
            Self::Promise | Self::Read => "a promise",
            Self::Buffer => "a buffer",
            Self::Date => "a date",
            _ => return None,
        })
    }

    /// The object of the runtime's surface that has its methods.
    pub(super) fn prototype(&self) -> Option<&'static str> {
        Some(match self {
            Self::Text(_) => "String.prototype",
            Self::List(_) => "Array.prototype",
            Self::Number => "Number.prototype",
            Self::Bool => "Boolean.prototype",
            Self::Pattern => "RegExp.prototype",
            Self::Promise | Self::Read => "Promise.prototype",
            Self::Date => "Date.prototype",
            Self::Function => "Function.prototype",
            _ => return None,
        })
    }

    /// A member of it, by its name where it has one that is known.
    pub(super) fn member(&self, name: Option<&str>) -> Self {
        match (self, name) {
            (Self::Circular, _) => Self::Circular,
            (Self::Event, Some("request")) => Self::Request,
            (Self::Event, Some("response")) => Self::Response,
            (Self::Request, Some("headers")) => Self::Table(Table::RequestHeaders),
            (Self::Request, Some("querystring")) => Self::Table(Table::Query),
            (Self::Request, Some("cookies")) => Self::Table(Table::RequestCookies),
            (Self::Request, Some("uri")) => Self::Text(Origin::Uri),
            (Self::Request, Some("method")) => Self::Text(Origin::Plain),
            (Self::Response, Some("headers")) => Self::Table(Table::ResponseHeaders),
            (Self::Response, Some("cookies")) => Self::Table(Table::ResponseCookies),
            (Self::OwnResponse, Some("headers")) => Self::Table(Table::OwnHeaders),
            (Self::OwnResponse, Some("cookies")) => Self::Table(Table::OwnCookies),
            (Self::Table(_), Some("hasOwnProperty" | "toString" | "propertyIsEnumerable")) => Self::Function,
            (Self::Table(table), name) => Self::Entry(*table, name.map(str::to_owned)),
            (Self::Entry(table, _), Some("value")) if !table.is_own() => {
                Self::Text(if *table == Table::Query { Origin::Query } else { Origin::Input })
            }
            (Self::Entry(..), Some("multiValue")) => Self::List(Origin::Plain),
            (Self::Text(_) | Self::List(_), Some("length")) => Self::Number,
            (Self::Text(origin), None) => Self::Text(origin.derived()),
            (Self::List(origin), None) if origin.is_input() => Self::Text(*origin),
            _ => Self::Unknown,
        }
    }

    /// What a method of it returns.
    pub(super) fn called(&self, method: &str) -> Self {
        match (self, method) {
            (Self::Circular, _) => Self::Circular,
            (Self::Text(_) | Self::List(_), "indexOf" | "lastIndexOf" | "search" | "charCodeAt" | "codePointAt" | "findIndex") => {
                Self::Number
            }
            (Self::Text(_) | Self::List(_), "startsWith" | "endsWith" | "includes" | "some" | "every") => Self::Bool,
            (Self::Text(origin), "toLowerCase" | "toUpperCase" | "trim" | "toString" | "valueOf") => Self::Text(*origin),
            (
                Self::Text(origin),
                "replace" | "replaceAll" | "slice" | "substring" | "substr" | "trimStart" | "trimEnd" | "padStart" | "padEnd"
                | "repeat" | "concat" | "charAt",
            ) => Self::Text(origin.derived()),
            (Self::Text(origin), "split") => Self::List(origin.derived()),
            (Self::List(origin), "join") => Self::Text(*origin),
            (Self::List(origin), "slice" | "filter" | "reverse" | "sort" | "splice") => Self::List(*origin),
            (Self::List(_), "map" | "concat") => Self::List(Origin::Plain),
            (Self::List(origin), "pop" | "shift" | "find") if origin.is_input() => Self::Text(*origin),
            (Self::Request, "rawQueryString") => Self::Text(Origin::Query),
            (Self::Number, "toString" | "toFixed" | "toPrecision" | "toExponential") => Self::Text(Origin::Plain),
            (Self::Date, "toISOString" | "toUTCString" | "toString" | "toJSON") => Self::Text(Origin::Plain),
            (Self::Date, name) if name.starts_with("get") => Self::Number,
            (Self::Pattern, "test") => Self::Bool,
            (Self::Promise | Self::Read, "then" | "catch" | "finally") => Self::Promise,
            (Self::Buffer, "toString") => Self::Text(Origin::Plain),
            (Self::Hash, "update") => Self::Hash,
            (Self::Module(name), "kvs") if name == "cloudfront" => Self::Store,
            (Self::Module(name), "createHash" | "createHmac") if name == "crypto" => Self::Hash,
            (Self::Module(name), "stringify" | "encode" | "escape") if name == "querystring" => Self::Text(Origin::Plain),
            (Self::Store, "get") => Self::Read,
            (Self::Store, "exists" | "meta") => Self::Promise,
            (Self::Global(name), method) => Self::of_static(name, method),
            _ => Self::Unknown,
        }
    }

    /// What a method of one of the runtime's objects returns.
    fn of_static(object: &str, method: &str) -> Self {
        match (object, method) {
            ("Object", "keys" | "entries" | "values" | "getOwnPropertyNames") | ("Array", _) if method != "isArray" => {
                Self::List(Origin::Plain)
            }
            ("JSON", "stringify") | ("String", "fromCharCode" | "fromCodePoint") => Self::Text(Origin::Plain),
            ("Math", _) | ("Date", "now" | "parse" | "UTC") | ("Number", "parseInt" | "parseFloat") => Self::Number,
            ("Promise", _) => Self::Promise,
            ("Buffer", "from" | "alloc" | "concat" | "allocUnsafe") => Self::Buffer,
            ("Number", _) | ("Array", "isArray") | ("Object", "is" | "isFrozen") => Self::Bool,
            _ => Self::Unknown,
        }
    }
}
