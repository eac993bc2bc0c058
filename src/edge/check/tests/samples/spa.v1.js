'use strict';

var EXTENSIONS = /\.(?:css|js|png|svg|ico|txt|xml|webmanifest)$/;

function isDevice(headers, name) {
    var header = headers['cloudfront-is-' + name + '-viewer'];
    return header !== undefined && header.value === 'true';
}

function handler(event) {
    var request = event.request;
    var match;

    if (EXTENSIONS.test(request.uri)) {
        return request;
    }
    if ((match = /^(.+)\/$/.exec(request.uri)) !== null) {
        request.uri = match[1];
    }
    if (isDevice(request.headers, 'mobile')) {
        request.headers['x-device'] = { value: 'mobile' };
    } else if (isDevice(request.headers, 'tablet')) {
        request.headers['x-device'] = { value: 'tablet' };
    }
    if (request.headers.cookie || Object.keys(request.cookies).length) {
        delete request.headers.cookie;
    }
    request.uri = '/index.html';
    return request;
}
