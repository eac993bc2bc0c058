import cf from 'cloudfront';
import crypto from 'crypto';

const response401 = { statusCode: 401, statusDescription: 'Unauthorized' };
const kvsHandle = cf.kvs();
const loggingEnabled = false;

function jwtDecode(token, key, noVerify, algorithm) {
    if (!token) {
        throw new Error('No token supplied');
    }
    const segments = token.split('.');
    if (segments.length !== 3) {
        throw new Error('Not enough or too many segments');
    }
    const headerSeg = segments[0];
    const payloadSeg = segments[1];
    const signatureSeg = segments[2];
    const payload = JSON.parse(base64urlDecode(payloadSeg));

    if (!noVerify) {
        const signingMethod = 'sha256';
        const signingType = 'hmac';
        const signingInput = [headerSeg, payloadSeg].join('.');
        if (!verify(signingInput, key, signingMethod, signingType, signatureSeg)) {
            throw new Error('Signature verification failed');
        }
        if (payload.nbf && Date.now() < payload.nbf * 1000) {
            throw new Error('Token not yet active');
        }
        if (payload.exp && Date.now() > payload.exp * 1000) {
            throw new Error('Token expired');
        }
    }
    return payload;
}

function constantTimeEquals(a, b) {
    if (a.length != b.length) {
        return false;
    }
    let xor = 0;
    for (let i = 0; i < a.length; i++) {
        xor |= a.charCodeAt(i) ^ b.charCodeAt(i);
    }
    return 0 === xor;
}

function verify(input, key, method, type, signature) {
    if (type === 'hmac') {
        return constantTimeEquals(signature, sign(input, key, method));
    }
    throw new Error('Algorithm type not recognized');
}

function sign(input, key, method) {
    return crypto.createHmac(method, key).update(input).digest('base64url');
}

function base64urlDecode(str) {
    return Buffer.from(str, 'base64url');
}

async function handler(event) {
    const request = event.request;
    const secretKey = await getSecret();

    if (!secretKey) {
        return response401;
    }
    if (!request.querystring.jwt) {
        log('Error: No JWT in the querystring');
        return response401;
    }
    const jwtToken = request.querystring.jwt.value;
    try {
        jwtDecode(jwtToken, secretKey);
    } catch (e) {
        log(e);
        return response401;
    }

    delete request.querystring.jwt;
    log('Valid JWT token');
    return request;
}

async function getSecret() {
    try {
        return await kvsHandle.get('jwt.secret');
    } catch (err) {
        log(`Error reading value for key: jwt.secret, error: ${err}`);
        return null;
    }
}

function log(message) {
    if (loggingEnabled) {
        console.log(message);
    }
}
