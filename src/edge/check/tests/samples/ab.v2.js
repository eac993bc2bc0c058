const EXPERIMENT = 'group';
const GROUPS = ['a', 'b'];

function choose() {
    return GROUPS[Math.floor(Math.random() * GROUPS.length)];
}

function handler(event) {
    if (event.context.eventType === 'viewer-request') {
        const request = event.request;
        const cookie = request.cookies[EXPERIMENT];
        const group = cookie && GROUPS.includes(cookie.value) ? cookie.value : choose();
        request.headers['x-group'] = { value: group };
        request.cookies[EXPERIMENT] = { value: group };
        if (group === 'b' && request.uri === '/index.html') {
            request.uri = '/b/index.html';
        }
        return request;
    }
    const response = event.response;
    const seen = event.request.cookies[EXPERIMENT];
    if (seen) {
        response.cookies[EXPERIMENT] = { value: seen.value, attributes: 'Path=/; Max-Age=86400; Secure' };
    }
    return response;
}
