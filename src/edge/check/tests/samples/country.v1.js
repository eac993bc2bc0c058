// Sends viewers from one country to pages of their own.
function handler(event) {
    var request = event.request;
    var headers = request.headers;
    var host = request.headers.host.value;
    var country = 'DE';
    var newurl = `https://${host}/de/index.html`;

    if (headers['cloudfront-viewer-country']) {
        var countryCode = headers['cloudfront-viewer-country'].value;
        if (countryCode === country) {
            var response = {
                statusCode: 302,
                statusDescription: 'Found',
                headers: { 'location': { 'value': newurl } }
            };
            return response;
        }
    }
    return request;
}
