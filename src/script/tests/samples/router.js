import { normalize, segments, isSafe } from './lib/path.js';
import { redirect, notFound, withSecurityHeaders } from './lib/respond.js';

const PAGES = Object.freeze({ track: '/track/index.html', book: '/book/index.html' });
const TOKEN = /^[A-Za-z0-9_-]{16,64}$/;

/** The query as it was sent: every value of every key, in order. */
function queryString(query) {
  var parts = [];
  for (var key in query) {
    var entry = query[key];
    var values = entry.multiValue ? entry.multiValue : [entry];
    values.forEach(function (item) {
      parts.push(item.value === '' ? key : key + '=' + item.value);
    });
  }
  return parts.length ? '?' + parts.join('&') : '';
}

function rewriteTrack(request, parts) {
  if (parts.length === 1) {
    request.uri = PAGES.track;
    return request;
  }
  if (parts.length > 2 || !TOKEN.test(parts[1])) {
    return notFound('no such job');
  }
  request.uri = PAGES.track;
  return request;
}

function rewriteBook(request, parts) {
  if (parts.length === 1) {
    request.uri = PAGES.book;
    return request;
  }
  return redirect('/book/' + queryString(request.querystring), 308);
}

export function handler(event) {
  const request = event.request;
  const uri = request.uri;
  if (!isSafe(uri)) {
    return notFound('bad path');
  }
  const clean = normalize(uri);
  if (clean !== uri) {
    return redirect(clean + queryString(request.querystring), 301);
  }
  const parts = segments(clean);
  switch (parts[0]) {
    case 'track':
      return rewriteTrack(request, parts);
    case 'book':
      return rewriteBook(request, parts);
    default:
      break;
  }
  if (clean.endsWith('/')) {
    request.uri = clean + 'index.html';
  } else if (clean.lastIndexOf('.') < clean.lastIndexOf('/')) {
    return redirect(clean + '/' + queryString(request.querystring), 301);
  }
  return withSecurityHeaders(request);
}
