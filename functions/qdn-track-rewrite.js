// Decides, for every request and before the cache is asked, which object answers it.
//
// CloudFront picks the behaviour by the *normalised* path and hands us the path as it was typed. So each
// odd form (`//track/x`, `/x/../track/y`, `/%74rack/x`, …) is decided here on purpose: it is nobody's page, it
// goes on as it came, and the origin answers 404. Nothing is decoded, so nothing can throw; and nothing a
// visitor typed gets into a `location` before `isPlain` has looked at it, so none leads to another site.

import { appPage, isApi, isFile, isPlain } from './lib/path.js';
import { redirectFor, movedTo } from './lib/redirects.js';

export function handler(event) {
  const request = event.request;
  const uri = request.uri;

  // The API has paths of its own, which are neither pages nor folders.
  if (isApi(uri)) {
    return request;
  }

  // Before everything else: a customer's link has to work even where an SMS has mangled its end.
  const page = appPage(uri);
  if (page !== undefined) {
    request.uri = page;
    return request;
  }

  if (!isPlain(uri)) {
    return request;
  }

  // A redirect would turn a POST into a GET; the origin can refuse it better.
  const reads = request.method === 'GET' || request.method === 'HEAD';
  const target = redirectFor(uri);
  if (target !== undefined && reads) {
    return movedTo(target, request.querystring);
  }

  if (uri.endsWith('/')) {
    // S3 behind an origin access control knows objects only: a folder's page has to be named.
    request.uri = uri + 'index.html';
  } else if (!isFile(uri) && reads) {
    // Without the slash, every relative link in the page would point one folder too high.
    return movedTo(uri + '/', request.querystring);
  }
  return request;
}
