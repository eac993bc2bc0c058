import cf from 'cloudfront';
import { normalize, segments } from './lib/path.js';
import { redirect, notFound, unavailable } from './lib/respond.js';

const MAINTENANCE = 'maintenance';

async function lookup(store, key) {
  const present = await store.exists(key);
  if (!present) {
    return null;
  }
  const text = await store.get(key);
  return text;
}

async function ruleFor(store, path) {
  const exact = await lookup(store, path);
  if (exact) {
    return JSON.parse(exact);
  }
  const parts = segments(path);
  while (parts.length > 0) {
    parts.pop();
    const prefix = '/' + parts.join('/') + '/*';
    const found = await lookup(store, prefix);
    if (found) {
      const rule = JSON.parse(found);
      rule.prefix = prefix;
      return rule;
    }
  }
  return null;
}

function apply(rule, request) {
  if (rule.status === 404) {
    return notFound(rule.why || 'gone');
  }
  if (rule.to) {
    return redirect(rule.to, rule.status || 301);
  }
  request.uri = rule.uri;
  return request;
}

export async function handler(event) {
  const request = event.request;
  const store = cf.kvs();
  const path = normalize(request.uri);
  let closed = null;
  try {
    closed = await lookup(store, MAINTENANCE);
  } catch (error) {
    console.log('no store: ' + error.message);
    return request;
  }
  if (closed) {
    const seconds = Number(closed);
    return unavailable(seconds);
  }
  const rule = await ruleFor(store, path);
  if (rule) {
    return apply(rule, request);
  }
  return request;
}
