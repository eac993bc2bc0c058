import cf from 'cloudfront';

const kvsId = 'a1b2c3d4-5678-90ab-cdef-example11111';
const kvsHandle = cf.kvs(kvsId);

async function handler(event) {
    const request = event.request;
    const headers = request.headers;
    const key = request.uri.split('/')[1];
    let value = 'Not found'; // default value
    try {
        value = await kvsHandle.get(key);
        return {
            statusCode: 302,
            statusDescription: 'Found',
            headers: { location: { value: `${value}${request.uri}` } },
        };
    } catch (err) {
        console.log(`Kvs key lookup failed for ${key}: ${err}`);
    }
    if (headers['accept-language'] && headers['accept-language'].value.toLowerCase().indexOf('de') === 0) {
        headers['x-language'] = { value: 'de' };
    }
    return request;
}
