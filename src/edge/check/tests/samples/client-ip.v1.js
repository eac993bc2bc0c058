function handler(event) {
    var request = event.request;
    var clientIP = event.viewer.ip;
    request.headers['true-client-ip'] = { value: clientIP };
    return request;
}
