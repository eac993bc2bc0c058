function handler(event) {
    var headers = event.request.headers;
    var host = headers.host.value;
    // A preflight has one already.
    if (!headers.origin) {
        headers.origin = { value: `https://${host}` };
    }
    return event.request;
}
