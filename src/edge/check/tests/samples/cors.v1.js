function handler(event) {
    var request = event.request;
    var response = event.response;

    // Only where the origin has not said so itself.
    if (!response.headers['access-control-allow-origin'] && request.headers['origin']) {
        response.headers['access-control-allow-origin'] = { value: request.headers['origin'].value };
        console.log('Access-Control-Allow-Origin was missing, adding it now.');
    }
    return response;
}
