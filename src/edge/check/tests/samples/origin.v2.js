import cf from 'cloudfront';

function handler(event) {
    const request = event.request;
    const viewerHeaders = request.headers;
    const countryHeader = viewerHeaders['cloudfront-viewer-country'];
    const country = countryHeader ? countryHeader.value : 'US';

    switch (country) {
        case 'DE':
        case 'FR':
            cf.updateRequestOrigin({ domainName: 'eu.example.org', timeouts: { connectionTimeout: 2 } });
            break;
        default:
            cf.selectRequestOriginById('main');
    }
    return request;
}
