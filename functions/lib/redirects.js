// Where pages have moved, and how the browser is told.

import redirects from 'qdn:redirects';

// Where the path leads, with or without a slash at its end; undefined where it leads nowhere else.
export function redirectFor(uri) {
  const other = uri.endsWith('/') ? uri.slice(0, -1) : uri + '/';
  // `/constructor` is no redirect only because every object has one.
  const known = (path) => Object.prototype.hasOwnProperty.call(redirects, path);
  return known(uri) ? redirects[uri] : known(other) ? redirects[other] : undefined;
}

// The values are as they came, still encoded: to encode them again would turn `%20` into `%2520`.
function queryOf(values) {
  const parts = [];
  Object.keys(values).forEach((name) => {
    const entry = values[name];
    (entry.multiValue || [entry]).forEach((one) => {
      parts.push(one.value === '' ? name : name + '=' + one.value);
    });
  });
  return parts.join('&');
}

// A redirect keeps the query: campaign parameters, and the `t` of a tracking link.
export function movedTo(target, values) {
  const query = queryOf(values);
  let location = target;
  if (query !== '') {
    // What follows `#` stays last.
    const at = target.indexOf('#');
    const page = at < 0 ? target : target.slice(0, at);
    location = page + (page.indexOf('?') < 0 ? '?' : '&') + query + (at < 0 ? '' : target.slice(at));
  }
  return {
    statusCode: 301,
    statusDescription: 'Moved Permanently',
    headers: {
      location: { value: location },
      // Without it a browser keeps a wrong redirect for good.
      'cache-control': { value: 'max-age=3600' },
    },
  };
}
