import { ROOT } from './path.js';

const REASONS = { 301: 'Moved Permanently', 308: 'Permanent Redirect', 404: 'Not Found', 503: 'Service Unavailable' };
const NO_STORE = 'no-store';

function response(status, headers, text) {
  const result = { statusCode: status, statusDescription: REASONS[status], headers: headers };
  if (text) {
    result.body = { encoding: 'text', data: text };
  }
  return result;
}

export function redirect(to, status) {
  const target = to.charAt(0) === ROOT ? to : ROOT + to;
  return response(status, { location: { value: target }, 'cache-control': { value: 'max-age=300' } });
}

export function notFound(why) {
  return response(404, { 'content-type': { value: 'text/plain; charset=utf-8' }, 'cache-control': { value: NO_STORE } }, why);
}

export function unavailable(seconds) {
  return response(503, { 'retry-after': { value: String(seconds) }, 'cache-control': { value: NO_STORE } }, 'try again');
}

export function withSecurityHeaders(request) {
  request.headers['x-qdn-edge'] = { value: '1' };
  return request;
}
