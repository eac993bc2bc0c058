function objectToQueryString(obj) {
    var str = [];
    for (var param in obj) {
        if (obj[param].multiValue) {
            str.push(obj[param].multiValue.map((item) => param + '=' + item.value).join('&'));
        } else if (obj[param].value === '') {
            str.push(param);
        } else {
            str.push(param + '=' + obj[param].value);
        }
    }
    return str.join('&');
}

function handler(event) {
    var request = event.request;
    var host = request.headers.host.value;
    if (!host.startsWith('www.')) {
        return request;
    }
    var query = objectToQueryString(request.querystring);
    return {
        statusCode: 301,
        statusDescription: 'Moved Permanently',
        headers: { location: { value: 'https://' + host.slice(4) + request.uri + (query ? '?' + query : '') } },
    };
}
