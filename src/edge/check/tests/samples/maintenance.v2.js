import cf from 'cloudfront';

const store = cf.kvs();

async function isOpen(name) {
    const exists = await store.exists(name);
    if (!exists) {
        return true;
    }
    const text = await store.get(name);
    return text !== 'closed';
}

async function handler(event) {
    const open = await isOpen('site');
    if (open) {
        return event.request;
    }
    const body = '<!doctype html><title>Back soon</title><h1>Back soon</h1>';
    return {
        statusCode: 503,
        statusDescription: 'Service Unavailable',
        headers: {
            'cache-control': { value: 'no-store' },
            'content-type': { value: 'text/html; charset=utf-8' },
            'retry-after': { value: '600' },
        },
        body: { encoding: 'text', data: body },
    };
}
