const USERS = { admin: 'c2VjcmV0' };

function parse(header) {
    const parts = header.value.split(' ');
    if (parts.length !== 2 || parts[0] !== 'Basic') {
        return null;
    }
    const text = Buffer.from(parts[1], 'base64').toString('utf8');
    const at = text.indexOf(':');
    return at < 0 ? null : { name: text.slice(0, at), password: text.slice(at + 1) };
}

function handler(event) {
    const request = event.request;
    const header = request.headers.authorization;
    if (header) {
        const who = parse(header);
        if (who && USERS[who.name] === btoa(who.password)) {
            delete request.headers.authorization;
            return request;
        }
    }
    return {
        statusCode: 401,
        statusDescription: 'Unauthorized',
        headers: { 'www-authenticate': { value: 'Basic realm="staging"' } },
    };
}
