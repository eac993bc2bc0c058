//! Each rule: what it complains of, and where; and what it must not complain of.

use super::*;

/// In runtime 2.0, whole scripts: `‸` is where the complaint is.
const BAD: &[(&str, &str)] = &[
    ("CFF001", "‸function main(event) { return event.request; }"),
    ("CFF001", "‸const app = { handler: (event) => event.request }; app.handler({});"),
    ("CFF002", "const ‸handler = (event) => event.request;"),
    ("CFF002", "let ‸handler = async function (event) { return event.request; };"),
    ("CFF004", "function handler(event) { return event.request; }\n‸module.exports = { handler };"),
    ("CFF004", "function handler(event) { return event.request; }\n‸exports.handler = handler;"),
    ("CFF005", "import p from ‸'path';\nfunction handler(event) { return p(event.request); }"),
    ("CFF005", "‸import('crypto');\nfunction handler(event) { return event.request; }"),
    ("CFF006", "var p = require(‸'path');\nfunction handler(event) { return p(event.request); }"),
    ("CFF006", "var cf = require(‸'cloudfront');\nfunction handler(event) { return cf(event.request); }"),
];

/// In runtime 2.0, bodies of a handler that ends with `return event.request;`.
const BAD_BODIES: &[(&str, &str)] = &[
    // Names
    ("CFF021", "var u = new ‸URL(event.request.uri);"),
    ("CFF021", "var m = new ‸Map();"),
    ("CFF021", "‸fetch('https://example.org');"),
    ("CFF021", "var q = new ‸URLSearchParams(''); q.get('a');"),
    ("CFF021", "var o = ‸structuredClone(event);"),
    ("CFF021", "var n = ‸reqest.uri;"),
    ("CFF021", "‸count = 1;"),
    ("CFF021", "for (var i = 0; i < 2; i++) { ‸unknown(i); }"),
    ("CFF021", "var a = ‸crypto.createHash('sha256');"),
    ("CFF022", "var a = [1, [2]].‸flat();"),
    ("CFF022", "var a = event.request.uri.split('/').‸at(-1);"),
    ("CFF022", "var a = event.request.uri.‸normalize();"),
    ("CFF022", "var a = 'a'.‸localeCompare('b');"),
    ("CFF022", "var a = event.unknown.‸findLast(function (x) { return x; });"),
    ("CFF022", "var a = ‸Object.fromEntries([]);"),
    ("CFF022", "var a = ‸Object.hasOwn(event, 'request');"),
    ("CFF022", "var a = Object.keys(event.request.headers).‸toSorted();"),
    ("CFF022", "var a = event.request.uri.‸matchAll(/a/g);"),
    ("CFF022", "var a = ‸String.raw`a`;"),
    ("CFF023", "var a = ‸String.bytesFrom([1, 2]);"),
    ("CFF023", "var a = event.request.uri.‸toUTF8();"),
    ("CFF024", "‸setTimeout(function () {}, 0);"),
    ("CFF024", "‸eval('1');"),
    ("CFF024", "var f = new ‸Function('return 1');"),
    ("CFF024", "var e = ‸process.env.STAGE;"),
    ("CFF025", "require('crypto').createHash(‸'sha512');"),
    ("CFF025", "var c = require('crypto'); c.createHmac(‸'sha384', event.request.uri);"),
    ("CFF025", "var c = require('crypto'); c.‸randomBytes(16);"),
    ("CFF026", "var b = Buffer.from('a', ‸'latin1');"),
    ("CFF026", "var b = Buffer.from('a').toString(‸'ascii');"),
    ("CFF026", "var b = require('crypto').createHash('md5').update('a').digest(‸'latin1');"),
    ("CFF070", "var r = /^‸(a+)+$/.test('a');"),
    ("CFF070", "var r = /‸(?:[a-z]*)*x/.test('a');"),
    ("CFF070", "var r = /^‸(\\w+\\s?)*$/.test('a');"),
    ("CFF070", "var r = /^‸(\\d|\\w)+$/.test('a');"),
    ("CFF070", "var r = /^‸(?:a|.)*b/.test('a');"),
    ("CFF071", "var r = ‸new RegExp(event.request.uri);"),
    ("CFF081", "‸console.error('a');"),
    ("CFF081", "console.log('a', ‸event.request.uri);"),
    // Returns
    ("CFF050", "if (event.request.uri === '/') { ‸return; }"),
    ("CFF050", "if (event.request.uri === '/') { return ‸null; }"),
    ("CFF050", "if (event.request.uri === '/') { return ‸'x'; }"),
    ("CFF050", "if (event.request.uri === '/') { return ‸event.request.headers; }"),
    ("CFF050", "if (event.request.uri === '/') { return event.request ? event.request : ‸false; }"),
    ("CFF051", "if (event.request.uri === '/') { return ‸event; }"),
    ("CFF056", "if (event.request.uri === '/') { return { ‸status: '302', statusDescription: 'Found' }; }"),
    ("CFF056", "if (event.request.uri === '/') { return ‸{ headers: {} }; }"),
    // Headers
    ("CFF052", "event.request.headers[‸'X-Stage'] = { value: 'a' };"),
    ("CFF052", "event.request.headers.‸Authorization = { value: 'a' };"),
    ("CFF052", "var h = event.request.headers; var a = h[‸'Host'].value;"),
    ("CFF052", "return { statusCode: 302, headers: { ‸'Location': { value: '/a' } } };"),
    (
        "CFF052",
        "var headers = {}; headers = { ‸Location: { value: '/a' } }; return { statusCode: 302, headers: { ‸Location: { value: '/a' } } };",
    ),
    ("CFF053", "event.request.headers['x-a'] = ‸'a';"),
    ("CFF053", "event.request.headers['x-a'] = { value: ‸1 };"),
    ("CFF053", "event.request.headers['x-a'] = { ‸Value: 'a' };"),
    ("CFF053", "event.request.headers['x-a'] = { value: ‸event.request.headers.host };"),
    ("CFF053", "event.request.querystring.a = ‸'b';"),
    ("CFF053", "event.request.headers['x-a'] = ‸undefined;"),
    ("CFF053", "return { statusCode: 302, headers: { location: ‸'/a' } };"),
    ("CFF053", "const headers = { location: ‸'/a' }; return { statusCode: 302, headers };"),
    ("CFF053", "return { statusCode: 200, headers: {}, cookies: { a: ‸'b' } };"),
    ("CFF054", "event.request.headers[‸'x-forwarded-proto'] = { value: 'https' };"),
    ("CFF054", "return { statusCode: 200, headers: { ‸connection: { value: 'close' } } };"),
    ("CFF054", "event.request.headers[‸'x-edge-a'] = { value: 'https' };"),
    ("CFF055", "event.request.headers.‸host = { value: 'example.org' };"),
    ("CFF055", "event.request.headers.‸host.value = 'example.org';"),
    ("CFF055", "const request = event.request; const headers = request.headers; delete headers[‸'host'];"),
    ("CFF055", "delete event.request.headers[‸'content-length'];"),
    ("CFF055", "return { statusCode: 200, headers: { ‸via: { value: 'a' } } };"),
    ("CFF055", "event.request.headers = ‸{ a: { value: 'b' } };"),
    ("CFF065", "event.request.headers['x-a'] = { value: 'a', ‸multivalue: [{ value: 'a' }] };"),
    ("CFF065", "if (event.request.headers.a) { console.log(event.request.headers.a.‸multivalue); }"),
    // Responses
    ("CFF056", "return { statusCode: ‸'302' };"),
    ("CFF056", "return { statusCode: ‸99 };"),
    ("CFF056", "return { statusCode: ‸200.5 };"),
    ("CFF056", "const code = '404'; return { statusCode: ‸code };"),
    ("CFF056", "const response = { statusCode: 200 }; response.statusCode = ‸'404'; return response;"),
    ("CFF056", "return { statusCode: 200, statusDescription: ‸200 };"),
    ("CFF057", "return { statusCode: 200, body: ‸{ a: 1 } };"),
    ("CFF057", "return { statusCode: 200, body: ‸[1] };"),
    ("CFF057", "return { statusCode: 200, body: ‸1 };"),
    ("CFF057", "return { statusCode: 200, body: { encoding: ‸'json', data: '' } };"),
    ("CFF057", "return { statusCode: 200, body: ‸{ data: 'a' } };"),
    ("CFF057", "return { statusCode: 200, body: { encoding: 'base64', data: ‸'a b' } };"),
    ("CFF057", "return { statusCode: 204, body: ‸'a' };"),
    // Paths
    ("CFF058", "event.request.uri = ‸'index.html';"),
    ("CFF058", "const request = event.request; request.uri = `‸track${request.uri}`;"),
    ("CFF058", "event.request.uri = ‸'';"),
    ("CFF058", "event.request.uri = event.request.uri === '/' ? ‸'index.html' : '/a';"),
    ("CFF059", "event.request.uri = ‸'/a?b=1';"),
    ("CFF059", "event.request.uri = ‸'https://example.org/a';"),
    ("CFF059", "event.request.uri += ‸'?b=1';"),
    ("CFF059", "event.request.uri = ‸'/a b';"),
    ("CFF059", "event.request.querystring = ‸'a=b c';"),
    ("CFF060", "‸event.request.method = 'GET';"),
    ("CFF067", "if (‸event.request.uri.startsWith('/track/')) { event.request.uri = '/track/index.html'; }"),
    ("CFF067", "const uri = event.request.uri; if (‸/^\\/book/.test(uri)) { event.request.uri = '/book/index.html'; }"),
    ("CFF067", "if (‸event.request.uri.indexOf('/admin') === 0) { return { statusCode: 403 }; }"),
    ("CFF067", "if (‸event.request.uri === '/admin') { return { statusCode: 403 }; }"),
    (
        "CFF068",
        "if (event.request.querystring.next) { return { statusCode: 302, headers: { location: { value: ‸event.request.querystring.next.value } } }; }",
    ),
    ("CFF068", "return { statusCode: 301, headers: { location: { value: ‸event.request.uri + '/' } } };"),
    // Texts that are asked of nothing, or of something else, are no care for paths.
    ("CFF067", "console.log('a // b'); if (‸event.request.uri.startsWith('/track/')) { event.request.uri = '/track/index.html'; }"),
    (
        "CFF067",
        "const about = { a: '..' }; const from = event.request.headers.referer; if (from && from.value.includes('//x') && about.a === '..') { return { statusCode: 403 }; } if (‸event.request.uri.startsWith('/track/')) { event.request.uri = '/a'; }",
    ),
    (
        "CFF067",
        "const u = event.request.uri; if (u.endsWith('.html') || ‸u.startsWith('/track/')) { event.request.uri = '/a' + '..'; }",
    ),
    ("CFF091", "event.request.uri = ‸'/book/';"),
    ("CFF068", "return { statusCode: 301, headers: { location: { value: ‸'/' + event.request.uri } } };"),
    (
        "CFF068",
        "const qs = event.request.querystring; return { statusCode: 302, headers: { location: { value: ‸qs.next ? qs.next.value : '/' } } };",
    ),
    (
        "CFF068",
        "const to = event.request.querystring.next; const path = (to && to.value) || '/a'; return { statusCode: 302, headers: { location: { value: ‸path } } };",
    ),
    ("CFF068", "return { statusCode: 302, headers: { location: { value: ‸event.request.uri.slice(0, -1) } } };"),
    (
        "CFF068",
        "const uri = event.request.uri; return { statusCode: 302, headers: { location: { value: ‸uri.toLowerCase().replace(/\\/$/, '') } } };",
    ),
    (
        "CFF068",
        "const next = event.request.querystring.next; if (next) { const path = next.value.trim(); return { statusCode: 302, headers: { location: { value: ‸`/${path}#a` } } }; }",
    ),
    (
        "CFF068",
        "if (event.request.querystring.to) { return { statusCode: 302, headers: { location: { value: ‸'/' + event.request.querystring.to.value } } }; }",
    ),
    // Redirects
    ("CFF069", "return { statusCode: 302, headers: { location: { value: ‸'/a' } } };"),
    (
        "CFF069",
        "if (event.request.uri.startsWith('/')) { return { statusCode: 302, headers: { location: { value: ‸'/a/b?c=1' } } }; }",
    ),
    (
        "CFF069",
        "const uri = event.request.uri; if (uri !== '/' && !uri.endsWith('/')) { const r = { statusCode: 301, headers: { location: { value: ‸'/a' } } }; return r; }",
    ),
    (
        "CFF069",
        "if (event.request.headers.host.value === 'a.example') { return { statusCode: 301, headers: { location: { value: ‸'https://a.example/x' } } }; }",
    ),
    // Texts
    ("CFF064", "const q = event.request.querystring; if (q.a) { console.log(‸encodeURIComponent(q.a.value)); }"),
    ("CFF064", "const uri = event.request.uri; console.log(‸encodeURI(uri));"),
    ("CFF087", "‸event.request.uri.replace('a', 'b');"),
    ("CFF087", "let uri = event.request.uri; ‸uri.toLowerCase();"),
    ("CFF087", "‸encodeURIComponent(event.request.uri.slice(1));"),
    // Chance, time, keys
    ("CFF072", "const nonce = ‸Math.random().toString(36); console.log(nonce);"),
    ("CFF072", "return { statusCode: 200, cookies: { session_token: { value: String(‸Math.random()) } } };"),
    ("CFF072", "function draw() { return Math.random(); } const csrfToken = String(‸draw()); console.log(csrfToken);"),
    ("CFF073", "const start = Date.now(); console.log(String(‸Date.now() - start));"),
    ("CFF073", "const a = new Date(); const b = new Date(); console.log(String(‸b.getTime() - a.getTime()));"),
    ("CFF074", "const key = 'k'; console.log(require('crypto').createHmac('sha256', ‸key).update('a').digest('hex'));"),
    // What may be missing or throw
    ("CFF061", "var a = ‸event.request.headers.origin.value;"),
    ("CFF061", "var h = event.request.headers; var a = ‸h['user-agent'].value.indexOf('bot');"),
    ("CFF061", "var q = event.request.querystring; if (‸q.a.value === 'b') { console.log('a'); }"),
    ("CFF061", "var c = event.request.cookies; var a = ‸c.session.value;"),
    ("CFF061", "var origin = event.request.headers.origin; var a = ‸origin.value;"),
    ("CFF061", "if (event.request.headers.a) { console.log('a'); } var b = ‸event.request.headers.a.value;"),
    ("CFF061", "if (event.request.headers.a || event.request.headers.b) { console.log(‸event.request.headers.a.value); }"),
    ("CFF061", "if (!event.request.headers.a) { console.log(‸event.request.headers.a.value); }"),
    ("CFF061", "‸event.request.headers.a.value = 'b';"),
    ("CFF061", "if (event.request.headers.a) { delete event.request.headers.a; console.log(‸event.request.headers.a.value); }"),
    ("CFF061", "function f(headers) { return ‸headers.a.value; } console.log(f(event.request.headers));"),
    ("CFF061", "var a = ‸event.request.headers['cloudfront-viewer-country'].value;"),
    ("CFF062", "var a = ‸decodeURIComponent(event.request.uri);"),
    ("CFF062", "console.log(event.request.uri.split('/').map(‸decodeURIComponent).join('/'));"),
    ("CFF062", "var parts = event.request.uri.split('/'); var a = ‸decodeURI(parts[1]);"),
    ("CFF062", "var q = event.request.querystring; if (q.a) { console.log(‸decodeURIComponent(q.a.value)); }"),
    ("CFF062", "function dec(s) { return ‸decodeURIComponent(s); } console.log(dec(event.request.uri));"),
    ("CFF062", "try { console.log('a'); } catch (e) { console.log(‸decodeURIComponent(event.request.uri)); }"),
    ("CFF063", "if (event.request.cookies.a) { console.log(‸JSON.parse(event.request.cookies.a.value)); }"),
];

/// Scripts with the key-value store.
const BAD_STORES: &[(&str, &str)] = &[
    ("CFF032", "‸kvs.get('a');"),
    ("CFF032", "async function log() { console.log('a'); } ‸log();"),
    ("CFF032", "event.request.uri && ‸kvs.get('a');"),
    ("CFF032", "‸kvs.exists('a').then((found) => { event.request.uri = found ? '/a' : '/b'; }).catch(() => {});"),
    ("CFF032", "const found = kvs.exists('a'); ‸found.then(() => 0);"),
    ("CFF032", "‸Promise.all([load()]); async function load() { return '/a'; }"),
    ("CFF032", "const nobody = ‸kvs.exists('a');"),
    ("CFF032", "if (‸kvs.exists('a')) { event.request.uri = '/a'; }"),
    ("CFF032", "const found = kvs.exists('a'); if (!‸found) { event.request.uri = '/a'; }"),
    ("CFF032", "const found = kvs.exists('a'); event.request.uri = ‸found && found ? '/a' : '/b';"),
    ("CFF032", "let page; page = load(); if (‸page === '/a') { event.request.uri = '/a'; } async function load() { return '/a'; }"),
    ("CFF032", "event.request.uri = ‸load(); async function load() { return '/a'; }"),
    ("CFF032", "const load = async () => '/a'; event.request.uri = `/x${‸load()}`;"),
    ("CFF032", "const page = load(); event.request.uri = '/x/' + ‸page; async function load() { return '/a'; }"),
    ("CFF032", "const page = load(); console.log(‸page.length); async function load() { return '/a'; }"),
    ("CFF032", "const table = { a: '/a' }; const page = load(); console.log(table[‸page]); async function load() { return 'a'; }"),
    ("CFF032", "try { console.log(JSON.parse(‸kvs.get('a'))); } catch (e) { console.log('a'); }"),
    ("CFF022", "const page = load(); console.log(page.‸split('/')); async function load() { return '/a'; }"),
    (
        "CFF033",
        "try { const all = await ‸Promise.all([kvs.get('a'), kvs.get('b')]); console.log(all.length); } catch (e) { console.log('a'); }",
    ),
    ("CFF034", "const a = ‸await kvs.get('a'); console.log(a);"),
    (
        "CFF063",
        "try { console.log('a'); } catch (e) { const a = await kvs.get('b'); const b = ‸JSON.parse(a); console.log(b); } kvs.get('c').catch(function () {});",
    ),
    ("CFF037", "cf.updateRequestOrigin({ ‸domainName: 'example.org:80', connectionAttempts: 3 });"),
    ("CFF037", "const path = '/v1/'; cf.updateRequestOrigin({ domainName: event.request.uri, ‸originPath: path });"),
    ("CFF037", "cf.updateRequestOrigin({ ‸timeouts: { readTimeout: 0, keepAliveTimeout: Number(event.request.uri) } });"),
    ("CFF037", "cf.createRequestOriginGroup(‸{ originIds: [{ originId: 'a' }], failoverCriteria: { statusCodes: [500] } });"),
];

/// Bodies that nothing is wrong with.
const GOOD_BODIES: &[&str] = &[
    // Names
    "var URL = function (text) { return { path: text }; }; var u = new URL(event.request.uri); console.log(u.path);",
    "if (typeof Map !== 'undefined') { var m = new Map(); m.set('a', 1); }",
    "var path = { normalize: function (text) { return text; }, at: function (n) { return n; } }; path.normalize('a'); path.at(1);",
    "if (!Array.prototype.at) { Array.prototype.at = function (n) { return this[n]; }; } var a = [1].at(0); console.log(a);",
    "var list = [1, 2]; list.forEach(function (x) { console.log(String(x)); }); outer: for (;;) { break outer; }",
    "var o = { flat: 1, Map: 2 }; console.log(o.flat + o.Map);",
    "function f() { return arguments.length; } f(1);",
    "console.log(`${event.request.uri} ${JSON.stringify(event)}`);",
    "var hash = require('crypto').createHash('sha256').update(event.request.uri).digest('base64url'); console.log(hash);",
    "var b = Buffer.from('YQ==', 'base64').toString('utf8'); console.log(b); console.log((10).toString(16));",
    "var now = new Date(); console.log(now.toISOString()); console.log(Math.max(1, Date.now()));",
    "globalThis.seen = 1; console.log(String(globalThis.seen));",
    "var r = /^(?:\\/[a-z]+)+$/.test(event.request.uri); console.log(String(r)); var s = /(a|b+c)+/.test('a'); console.log(String(s));",
    // Headers
    "event.request.headers['x-a'] = { value: event.request.headers.host.value };",
    "event.request.headers['x-a'] = { value: 'a', multiValue: [{ value: 'a' }] };",
    "event.request.headers['x-a'] = { multiValue: [{ value: 'a' }] };",
    "event.request.querystring.Page = { value: '1' }; event.request.cookies.Name = { value: 'a' };",
    "delete event.request.headers['x-forwarded-proto']; delete event.request.headers.cookie;",
    "var host = event.request.headers.host.value; event.request.headers['x-forwarded-host'] = { value: host };",
    "var entry = event.request.headers.accept; event.request.headers['x-accept'] = entry;",
    // Responses
    "var code = event.request.uri === '/' ? 301 : 302; return { statusCode: code, statusDescription: 'Found', headers: { location: { value: 'https://example.org' + event.request.uri } } };",
    "return { statusCode: 200, headers: { 'content-type': { value: 'text/html' } }, cookies: { a: { value: 'b', attributes: 'Secure' } }, body: '<p>' };",
    "return { statusCode: 200, body: { encoding: 'base64', data: 'YQ==' } };",
    "return { statusCode: 200, body: JSON.stringify({ a: 1 }) };",
    "return { statusCode: 204, body: '' };",
    "var response = { statusCode: 200, headers: {} }; response.headers['x-a'] = { value: 'a' }; response.headers['x-a'].value += 'b'; return response;",
    // Paths
    "event.request.uri = '/track/index.html';",
    "event.request.uri = event.request.uri + 'index.html';",
    "event.request.uri = event.request.uri.replace(/\\/$/, '') + '/index.html';",
    "var uri = event.request.uri; if (uri.endsWith('/')) { uri += 'index.html'; } event.request.uri = uri;",
    "var uri = event.request.uri.replace(/\\/+/g, '/'); if (uri.startsWith('/track/')) { event.request.uri = '/track/index.html'; }",
    "if (event.request.uri.startsWith('/')) { console.log('a'); } if (event.request.uri === '/old') { event.request.uri = '/new'; }",
    "event.request.querystring = 'a=b&c=%20';",
    "if (event.request.method !== 'GET') { return { statusCode: 405 }; }",
    // Guards
    "var h = event.request.headers; if (h.a) { console.log(h.a.value); }",
    "var h = event.request.headers; if (h['a'] && h['a'].value === 'b') { console.log(h.a.value); }",
    "var h = event.request.headers; var a = h.a ? h.a.value : ''; console.log(a);",
    "var h = event.request.headers; var a = h.a && h.a.value; console.log(a || '');",
    "var h = event.request.headers; if (!h.a) { return event.request; } console.log(h.a.value);",
    "var h = event.request.headers; if (!h.a || h.a.value === 'x') { return event.request; } console.log(h.a.value);",
    "var h = event.request.headers; if (h.a === undefined) { return event.request; } console.log(h.a.value);",
    "var h = event.request.headers; if (h.a != null && h.b !== undefined) { console.log(h.a.value + h.b.value); }",
    "var h = event.request.headers; if ('a' in h) { console.log(h.a.value); }",
    "var h = event.request.headers; if (h.hasOwnProperty('a')) { console.log(h.a.value); }",
    "var h = event.request.headers; if (Object.prototype.hasOwnProperty.call(h, 'a')) { console.log(h.a.value); }",
    "var h = event.request.headers; if (Object.keys(h).includes('a')) { console.log(h.a.value); }",
    "var h = event.request.headers; if (typeof h.a !== 'undefined') { console.log(h.a.value); }",
    "var h = event.request.headers; if (typeof h.a === 'undefined') { return event.request; } console.log(h.a.value);",
    "var a = event.request.headers.a; if (a) { console.log(a.value); }",
    "var a = event.request.headers.a; if (!a) { return event.request; } var b = a.value; console.log(b);",
    "var h = event.request.headers; var mobile = h.a && h.a.value === 'true'; if (mobile) { console.log(h.a.value); }",
    "var h = event.request.headers; var has = !!h.a; if (!has) { return event.request; } console.log(h.a.value);",
    "var a = (event.request.headers.a || {}).value; console.log(a);",
    "var a = event.request.headers.a || { value: '' }; console.log(a.value);",
    "var h = event.request.headers; if (!h.a) { h.a = { value: 'b' }; } console.log(h.a.value);",
    "var h = event.request.headers; h.a = { value: 'b' }; h.a.value += 'c';",
    "var q = event.request.querystring; for (var name in q) { console.log(q[name].value); }",
    "var q = event.request.querystring; Object.keys(q).forEach(function (name) { console.log(q[name].value); });",
    "var h = event.request.headers; try { console.log(h.a.value); } catch (e) { return event.request; }",
    "var h = event.request.headers; function has(name) { return !!h[name]; } if (has('a')) { console.log('b'); }",
    "function value(headers) { return headers.a.value; } var h = event.request.headers; if (h.a) { console.log(value(h)); }",
    "function known(headers, name) { return name in headers; } var h = event.request.headers; if (known(h, 'a')) { console.log(h.a.value); }",
    "var h = event.request.headers; switch (true) { case !!h.a: console.log(h.a.value); break; default: break; }",
    "var h = event.request.headers; if (h.a) { ['b'].forEach(function (b) { console.log(b + h.a.value); }); }",
    "var h = event.request.headers; while (h.a) { console.log(h.a.value); delete h.a; }",
    "var h = event.request.headers; var wanted = ['a', 'b']; if (!wanted.every(function (name) { return h[name]; })) { return event.request; } console.log(h.a.value);",
    "var h = event.request.headers; function has(name) { return name in h; } if (has('a')) { console.log(h.a.value); }",
    "var rows = [{ from: '/a', statusCode: '301' }]; console.log(JSON.stringify({ statusCode: '1', body: 1, headers: { A: 1 } }) + rows.length);",
    "try { var a = decodeURIComponent(event.request.uri); console.log(a); } catch (e) { return event.request; }",
    "function dec(s) { try { return decodeURIComponent(s); } catch (e) { return s; } } console.log(dec(event.request.uri));",
    "function dec(s) { return decodeURIComponent(s); } try { console.log(dec(event.request.uri)); } catch (e) { return event.request; }",
    "console.log(decodeURIComponent('%20')); var a = JSON.parse('{}'); console.log(String(a));",
    "try { [1].forEach(function () { console.log(decodeURIComponent(event.request.uri)); }); } catch (e) { return event.request; }",
    // Texts, chance, time
    "const q = event.request.querystring; if (q.a) { try { console.log(encodeURIComponent(decodeURIComponent(q.a.value))); } catch (e) { return event.request; } }",
    "console.log(encodeURIComponent('a b') + encodeURIComponent(event.request.headers.host.value));",
    "event.request.uri.split('/').forEach(function (part) { console.log(part); });",
    "const uri = event.request.uri.replace('a', 'b'); console.log(uri); [1].map(function (x) { console.log(String(x)); });",
    "const o = { replace: function () { event.request.uri = '/a'; } }; o.replace();",
    "const group = Math.random() < 0.5 ? 'a' : 'b'; console.log(group);",
    "const token = event.request.cookies.token; const expires = Date.now() + 1000; console.log(String(expires - 5) + String(token));",
    "const days = (Date.now() - new Date('2026-01-01').getTime()) / 86400000; console.log(String(days));",
    "const key = event.request.headers.host.value; console.log(require('crypto').createHmac('sha256', key).update('a').digest('hex'));",
    // What is tested of a path
    "const uri = event.request.uri; if (uri.split('/').indexOf('..') > 0) { return { statusCode: 400 }; } if (uri.startsWith('/admin')) { return { statusCode: 403 }; }",
    "const parts = event.request.uri.split('/'); for (let i = 0; i < parts.length; i++) { if (parts[i] === '..') { return { statusCode: 400 }; } } if (event.request.uri.startsWith('/admin')) { return { statusCode: 403 }; }",
    "const odd = /\\/\\/|%2f/i; const clean = (path) => path.replace(odd, '/'); event.request.uri = clean(event.request.uri); if (event.request.uri.startsWith('/admin')) { return { statusCode: 403 }; }",
    "const rules = [/\\.\\./, /%2f/]; if (rules.some((rule) => rule.test(event.request.uri))) { return { statusCode: 400 }; } if (event.request.uri.startsWith('/admin')) { return { statusCode: 403 }; }",
    "switch (event.request.uri.slice(0, 2)) { case '//': return { statusCode: 400 }; } if (event.request.uri.startsWith('/admin')) { return { statusCode: 403 }; }",
    "const next = event.request.querystring.next; const to = next && /^\\/[a-z]/.test(next.value) ? next.value : '/a'; return { statusCode: 302, headers: { location: { value: to } } };",
    "return { statusCode: 302, headers: { location: { value: event.request.uri.slice(1) } } };",
    // Redirects
    "if (event.request.uri === '/old') { return { statusCode: 301, headers: { location: { value: '/new' } } }; }",
    "if (event.request.headers.host.value !== 'www.a.example') { return { statusCode: 301, headers: { location: { value: 'https://www.a.example' + event.request.uri } } }; }",
    "if (event.request.uri === '/a') { return { statusCode: 302, headers: { location: { value: 'https://other.example/a' } } }; }",
    "if (event.request.uri === '/a') { return event.request; } return { statusCode: 302, headers: { location: { value: '/a' } } };",
    "if (!event.request.cookies.seen) { return { statusCode: 302, headers: { location: { value: '/welcome' } } }; }",
    "const m = event.request.uri.match(/x(.*)$/); if (m) { return { statusCode: 302, headers: { location: { value: '/x/y' } } }; }",
    "console.log(String(/^(?:\\w+ )+$/.test('a')) + String(/(\\w+\\s?)*/.test('a')) + String(/^(a|b)+$/.test('a')) + String(/^(?:a|bc?)*$/.test('a')));",
    // Ways out
    "switch (event.request.method) { case 'GET': return event.request; case 'HEAD': return event.request; default: throw new Error('no'); }",
    "while (true) { if (event.request.uri) { return event.request; } }",
];

/// Whole scripts that nothing is wrong with.
const GOOD: &[&str] = &[
    "var handler = function (event) { return event.request; };",
    "function handler(event) { if (event.request.uri) { return event.request; } else { return { statusCode: 404 }; } }",
    "function handler(event) { try { return f(event); } catch (e) { return event.request; } }\nfunction f(event) { return event.request; }",
    "function handler(event) { try { return event.request; } finally { console.log('a'); } }",
    "function handler(event) { do { return event.request; } while (true); }",
    "function handler(event) { for (;;) { switch (event.request.uri) { case '/': return event.request; default: continue; } } }",
    "function handler(event) { switch (event.request.method) { case 'GET': { return event.request; } default: return { statusCode: 405 }; } }",
    "function handler(event) { if (event.request.uri) { return event.request; } fail(); }\nfunction fail() { throw new Error('a'); }",
    "function handler(event) { outer: while (true) { while (true) { if (event.request.uri) { continue outer; } return event.request; } } }",
    "function handler(event) { const request = event.request; const go = () => { return; }; go(); return request; }",
    "function handler(event) { return rewrite(event.request); }\nfunction rewrite(request) { request.uri = '/a'; return request; }",
    "async function handler(event) { return rewrite(event.request); }\nasync function rewrite(request) { request.uri = '/a'; return request; }",
    "function handler(event) { var response = event.response; response.headers['x-a'] = { value: 'b' }; return response; }",
    "function handler(event) { var h = event.response.headers; h['content-length'] = { value: '1' }; delete h.server; return event.response; }",
    "function handler(event) { return event.request.uri === '/' ? { statusCode: 403 } : event.request; }",
    "function handler(event) { return Object.assign({}, event.request, { uri: '/a' }); }",
    "global.handler = function (event) { return event.request; };",
    // What is outside of functions
    "var state = {}; function handler(event) { state.uri = event.request.uri; return event.request; }",
    "let parts = []; function handler(event) { collect(event.request.uri); return event.request; }\nfunction collect(uri) { parts.push(uri); }",
    "const TABLE = { a: '/a' }; let found; function handler(event) { found = TABLE[event.request.uri]; return found ? { statusCode: 404 } : event.request; }",
    "if (typeof Buffer === 'undefined') { throw new Error('runtime 2.0 is needed'); }\nfunction handler(event) { return event.request; }",
    "let table = {}; try { table = JSON.parse('no'); } catch (e) { table = {}; }\nfunction handler(event) { return table.a ? { statusCode: 404 } : event.request; }",
    "const pattern = new RegExp('^/a+$'); const text = decodeURIComponent('%C3%A9'); function handler(event) { return pattern.test(text) ? { statusCode: 404 } : event.request; }",
];

/// Whole scripts of which something outside of `handler` is wrong.
const BAD_TOPS: &[(&str, &str)] = &[
    ("CFF082", "let count = 0; function handler(event) { ‸count++; return event.request; }"),
    ("CFF082", "let hits = 0; function handler(event) { ‸hits += 1; return event.request; }"),
    ("CFF082", "const seen = []; function handler(event) { ‸seen.push(event.request.uri); return event.request; }"),
    (
        "CFF082",
        "const cache = {}; function handler(event) { if (!cache[event.request.uri]) { ‸cache[event.request.uri] = { value: 'a' }; } return event.request; }",
    ),
    ("CFF083", "‸throw new Error('a'); function handler(event) { return event.request; }"),
    ("CFF083", "const t = ‸JSON.parse('{,}'); function handler(event) { return t.a ? { statusCode: 404 } : event.request; }"),
    (
        "CFF083",
        "const t = ‸decodeURIComponent('100%'); function handler(event) { return t ? { statusCode: 404 } : event.request; }",
    ),
    (
        "CFF083",
        "const t = ‸new RegExp('(a'); function handler(event) { return t.test('a') ? { statusCode: 404 } : event.request; }",
    ),
];

/// What is nobody's but the script's own, and what is the runtime's after all.
#[test]
fn a_name_is_the_runtimes_only_where_it_is() {
    for body in [
        "function f(Map) { return new Map(); } f(Object);",
        "var URL = function () { return 1; }; new URL();",
        "{ let URL = Object; new URL(); }",
        "if (typeof Map !== 'undefined') { new Map(); }",
        "if (typeof Map === 'function' && event.request) { new Map(); }",
        "if (typeof Map === 'undefined') { return event.request; } new Map();",
        "var m = typeof Map === 'undefined' ? {} : new Map(); console.log(String(m));",
        "var m = typeof Map !== 'undefined' && new Map(); console.log(String(m));",
        "var known = typeof Map !== 'undefined'; if (known) { new Map(); }",
        "if (globalThis.Map) { new Map(); }",
        "try { throw 1; } catch (URL) { console.log(String(URL)); }",
        "console.log(typeof Set);",
    ] {
        good(Runtime::V2, &format!("function handler(event) {{ {body} return event.request; }}"));
    }
    for body in [
        "if (typeof Map === 'undefined') { new ‸Map(); }",
        "if (typeof Map !== 'undefined') { console.log('a'); } new ‸Map();",
        "if (typeof Map !== 'undefined' || event.request) { new ‸Map(); }",
        "if (typeof Set !== 'undefined') { new ‸Map(); }",
        "function f() { var URL = Object; return new URL(); } f(); new ‸URL('a');",
        "if (typeof Map === 'undefined') { console.log('a'); } new ‸Map();",
    ] {
        bad(Runtime::V2, "CFF021", &format!("function handler(event) {{ {body} return event.request; }}"));
    }
}

#[track_caller]
fn bad_bodies(rows: &[(&'static str, &str)], before: &str) {
    let mut wrong = Vec::new();
    for (rule, body) in rows {
        let marked = format!("{before}async function handler(event) {{\n  {body}\n  return event.request;\n}}\n");
        let text = marked.replace('‸', "");
        let mut from = 0;
        let mut expected = Vec::new();
        for (at, mark) in marked.match_indices('‸') {
            let (line, column) = line_column(&text, at - from);
            from += mark.len();
            expected.push((*rule, line, column));
        }
        let found = said(&text, Runtime::V2);
        // What stands after a `return` is not reached, and nothing is said of it.
        if found.is_empty() || found.iter().any(|found| !expected.contains(found)) {
            wrong.push(format!("{body}\n  expected {expected:?}\n  found {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Promises that are kept, handed on, or let go on purpose.
#[test]
fn a_promise_that_is_waited_for_later_is_right() {
    for body in [
        "const p = load(); event.request.uri = '/a'; await p;",
        "let p; if (!p) { p = load(); } await p;",
        "const p = event.request.uri === '/' ? load() : null; if (p) { await p; }",
        "const list = [load(), load()]; await Promise.all(list);",
        "const a = load(); const b = load(); const both = await Promise.all([a, b]); if (both[0]) { event.request.uri = '/a'; }",
        "return load().then((page) => (page ? event.request : { statusCode: 404 }));",
        "const page = await load().then((page) => page).catch(() => null); if (page) { event.request.uri = '/a'; }",
        "const later = () => load(); const page = await later(); if (page) { event.request.uri = '/a'; }",
        "const a = load(); const b = load(); if (a === b) { return { statusCode: 500 }; } await a; await b;",
        "load().catch(() => {}); void load();",
    ] {
        good(
            Runtime::V2,
            &format!(
                "async function load() {{ return '/a'; }}\nasync function handler(event) {{\n  {body}\n  return event.request;\n}}"
            ),
        );
    }
}

/// What one module asks of paths, the others need not; what it says elsewhere counts for nothing.
#[test]
fn care_for_paths_is_what_is_asked_of_paths_in_any_module() {
    let main = "import { page } from './lib.js';\nexport function handler(event) {\n  if (event.request.uri.startsWith('/admin')) { return { statusCode: 403 }; }\n  event.request.uri = page(event.request.uri);\n  return event.request;\n}";
    for (lib, rules) in [
        ("export const page = (path) => (path.includes('//') ? '/404.html' : path);", &[][..]),
        ("const ODD = /\\/\\//; export const page = (path) => path.replace(ODD, '/');", &[]),
        ("const note = 'a // b'; export const page = (path) => path + note.length;", &["CFF067"]),
        (
            "export const page = (path) => path; export const other = (event) => event.request.headers.host.value === '..';",
            &["CFF067"],
        ),
    ] {
        let (_, checked) = checked(&[("f.js", main), ("lib.js", lib)], Runtime::V2);
        let found: Vec<&str> = checked.diagnostics().iter().map(|problem| problem.rule).collect();
        assert_eq!(found, rules, "{lib}");
    }
}

#[test]
fn every_rule_finds_what_it_looks_for() {
    for (rule, marked) in BAD.iter().chain(BAD_TOPS) {
        bad(Runtime::V2, rule, marked);
    }
    bad_bodies(BAD_BODIES, "");
    bad_bodies(BAD_STORES, "import cf from 'cloudfront';\nconst kvs = cf.kvs();\n");
}

#[test]
fn nothing_is_said_of_what_is_right() {
    let mut wrong = Vec::new();
    let bodies = GOOD_BODIES.iter().map(|body| format!("function handler(event) {{\n  {body}\n  return event.request;\n}}\n"));
    for text in bodies.chain(GOOD.iter().map(|text| (*text).to_owned())) {
        let (sources, checked) = checked(&[("f.js", &text)], Runtime::V2);
        if !checked.diagnostics().is_empty() {
            wrong.push(render(checked.diagnostics(), &sources, false));
        }
        if checked.bundle().is_err() {
            wrong.push(format!("not built: {text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_way_without_a_return_is_found() {
    for body in [
        "",
        "if (event.request.uri) { return event.request; }",
        "if (event.request.uri) { return event.request; } else if (event.request.method) { return event.request; }",
        "switch (event.request.uri) { case '/': return event.request; }",
        "switch (event.request.uri) { case '/': break; default: return event.request; }",
        "try { return event.request; } catch (e) { console.log('a'); }",
        "for (var i = 0; i < 2; i++) { return event.request; }",
        "while (true) { if (event.request.uri) { break; } }",
        "outer: for (;;) { for (;;) { break outer; } }",
        "[1].forEach(function () { return event.request; });",
        "event.request.uri = '/a'; event.request;",
    ] {
        bad(Runtime::V2, "CFF050", &format!("function ‸handler(event) {{ {body} }}"));
    }
    let (_, checked) =
        checked(&[("f.js", "function handler(event) {\n  if (event.request.uri) return event.request;\n}\n")], Runtime::V2);
    assert_eq!(checked.diagnostics()[0].label, "line 3 is reached without a `return`");
}

#[test]
fn a_viewer_response_function_has_rules_of_its_own() {
    let rows = [
        ("CFF055", "event.response.headers[‸'warning'] = { value: 'a' };"),
        ("CFF054", "event.response.headers[‸'x-cache'] = { value: 'a' };"),
        ("CFF061", "var a = ‸event.response.headers['cache-control'].value; console.log(a);"),
        ("CFF056", "event.response.statusCode = ‸'200';"),
        ("CFF052", "const r = event.response; r.headers[‸'Strict-Transport-Security'] = { value: 'a' };"),
    ];
    for (rule, body) in rows {
        bad(Runtime::V2, rule, &format!("function handler(event) {{\n  {body}\n  return event.response;\n}}"));
    }
    // What it does to the request goes nowhere.
    good(Runtime::V2, "function handler(event) { delete event.request.headers.host; return event.response; }");
    bad(
        Runtime::V2,
        "CFF036",
        "import cf from 'cloudfront';\nfunction handler(event) { const response = event.response; ‸cf.updateRequestOrigin({}); return response; }",
    );
}

#[test]
fn the_older_runtime_lacks_more() {
    let rows = [
        ("CFF021", "‸Buffer.from('a');"),
        ("CFF021", "var a = ‸btoa('a');"),
        ("CFF022", "var a = event.request.uri.‸replaceAll('a', 'b');"),
        ("CFF022", "var a = ‸Array.from([1]);"),
        ("CFF022", "var a = ‸Promise.all([]);"),
        ("CFF006", "var a = require(‸'buffer');"),
        ("CFF035", "var a = require(‸'cloudfront');"),
    ];
    for (rule, body) in rows {
        bad(Runtime::V1, rule, &format!("function handler(event) {{\n  {body}\n  return event.request;\n}}"));
    }
    bad(Runtime::V1, "CFF035", "‸import cf from 'cloudfront';\nfunction handler(event) { return event.request; }");
    good(
        Runtime::V1,
        "function handler(event) { console.log('a', 'b'); var a = String.bytesFrom([1]); console.log(a.toUTF8()); return event.request; }",
    );
}

#[test]
fn modules_are_held_to_the_rules_too() {
    let main = "import { country } from './x.js';\nexport const handler = ({ request }) => {\n  const { headers, querystring: { next } } = request;\n  return country(headers) ? { statusCode: 302, headers: { Location: { value: next?.value ?? '/' } } } : request;\n};\n";
    let (_, checked) = checked(
        &[("main.js", main), ("x.js", "export const country = (h) => new Map(Object.entries(h)).get('a');\n")],
        Runtime::V2,
    );
    let found: Vec<_> =
        checked.diagnostics().iter().map(|problem| (problem.rule, problem.place.as_ref().map(|(path, _)| path.as_str()))).collect();
    assert_eq!(found, [("CFF052", Some("main.js")), ("CFF021", Some("x.js"))]);
    for (rule, body) in [
        ("CFF014", "class E extends ‸Error {} throw new E(request.uri);"),
        ("CFF014", "class E { #a = 1; static is(o) { return ‸#a in o; } } return E.is(request) ? request : request;"),
        ("CFF061", "const { headers } = request; const { ‸value } = headers.a; return value ? request : request;"),
        ("CFF061", "return ‸request.headers.a.value ? request : request;"),
        ("CFF050", "return ‸request.uri;"),
    ] {
        bad(Runtime::V2, rule, &format!("export function handler({{ request }}) {{\n  {body}\n}}"));
    }
    for body in [
        "const { headers: { a } } = request; return a?.value === 'b' ? request : request;",
        "const { value = '' } = request.headers.a ?? {}; return value ? request : request;",
        "if (request.headers.a?.value === 'b') { request.uri = request.headers.a.value; } return request;",
        "if (request.headers.a?.value.startsWith('b')) { request.uri = request.headers.a.value; } return request;",
        "if (!request.headers.a?.value) return request; request.headers.b = { value: request.headers.a.value }; return request;",
        "return [...request.uri].length && [...Object.keys(request.headers)] ? request : request;",
        "for (const [name, entry] of Object.entries(request.querystring)) { console.log(name + entry.value); } return request;",
    ] {
        good(Runtime::V2, &format!("export function handler({{ request }}) {{\n  {body}\n}}"));
    }
    for name in ["export { main as handler };", "export default function handler(event) { return main(event); }"] {
        good(Runtime::V2, &format!("function main(event) {{ return event.request; }}\n{name}"));
    }
    bad(Runtime::V2, "CFF005", "import p from ‸'path';\nexport function handler(event) { return p(event.request); }");
    bad(
        Runtime::V1,
        "CFF005",
        "import c from ‸'crypto';\nexport function handler(event) { c.createHash('md5'); return event.request; }",
    );
    bad(Runtime::V1, "CFF035", "‸import c from 'cloudfront';\nexport function handler(event) { c.kvs(); return event.request; }");
    bad(Runtime::V2, "CFF051", "function main(event) { return ‸event; }\nexport { main as handler };");
    bad(Runtime::V2, "CFF001", "‸export default (event) => event.request;");
}
