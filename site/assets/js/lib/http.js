// The one way to the API. CloudFront signs what it sends to the API but not the bytes of a body: a write
// without their SHA-256 in `x-amz-content-sha256` is refused at the edge and never reaches our code.

/** What went wrong, in the four ways a page can tell apart. */
export class Problem extends Error {
  /**
   * @param {'offline' | 'absent' | 'refused'} kind no answer came; something answered that is not the API; the API said no
   * @param {number} status the HTTP status, 0 when there was none
   * @param {any} body the problem+json document, or {}
   * @param {number} wait seconds the server asks us to wait, 0 when it does not
   */
  constructor(kind, status = 0, body = {}, wait = 0) {
    super(body.detail ?? body.title ?? kind);
    this.kind = kind;
    this.status = status;
    this.body = body;
    this.wait = wait;
  }

  /** Whether what was asked for may have been done all the same: no answer came, or only a gateway's. */
  get unknown() {
    return this.kind === 'offline' || (this.status >= 500 && this.kind === 'refused' && !this.body.type);
  }
}

async function sha256(bytes) {
  const digest = await crypto.subtle.digest('SHA-256', bytes);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * @param {string} path
 * @param {{ method?: string, body?: unknown, headers?: Record<string, string>, timeout?: number }} [options]
 * @returns {Promise<any>} the JSON answer, or null when there is none
 */
export async function call(path, { method = 'GET', body, headers = {}, timeout = 8000 } = {}) {
  const send = { accept: 'application/json', ...headers };
  let bytes;
  if (method !== 'GET') {
    bytes = new TextEncoder().encode(body === undefined ? '' : JSON.stringify(body));
    if (body !== undefined) send['content-type'] ??= 'application/json';
    // Browsers offer `crypto.subtle` only on https and localhost.
    if (!globalThis.crypto?.subtle) throw new Problem('absent');
    send['x-amz-content-sha256'] = await sha256(bytes);
  }
  let answer;
  let text;
  try {
    const signal = AbortSignal.timeout(timeout);
    answer = await fetch(path, { method, headers: send, body: bytes?.length ? bytes : undefined, cache: 'no-store', signal });
    text = await answer.text();
  } catch {
    throw new Problem('offline');
  }
  if (answer.status === 204) return null;
  const wait = Number(answer.headers.get('retry-after')) || 0;
  const json = /^application\/(problem\+)?json\b/.test(answer.headers.get('content-type') ?? '');
  // A gateway's own error page: the API is down rather than missing, so trying again makes sense.
  if (!json && (answer.status >= 500 || answer.status === 429)) throw new Problem('refused', answer.status, {}, wait);
  if (!json) throw new Problem('absent', answer.status);
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Problem('absent', answer.status);
  }
  // A plain 404 says that the path is unknown; one about a job names its own problem type.
  const plain = !value?.type || value.type === 'about:blank';
  const absent = answer.status === 501 || (answer.status === 404 && plain);
  if (!answer.ok) throw new Problem(absent ? 'absent' : 'refused', answer.status, value ?? {}, wait);
  return value;
}
