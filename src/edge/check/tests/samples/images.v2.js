function handler(event) {
    var request = event.request;
    var originalImagePath = request.uri;
    var normalizedOperations = {};
    if (request.querystring) {
        Object.keys(request.querystring).forEach(operation => {
            switch (operation.toLowerCase()) {
                case 'format': {
                    var SUPPORTED_FORMATS = ['auto', 'jpeg', 'webp', 'avif', 'png'];
                    if (request.querystring[operation]['value'] && SUPPORTED_FORMATS.includes(request.querystring[operation]['value'].toLowerCase())) {
                        var format = request.querystring[operation]['value'].toLowerCase();
                        if (format === 'auto') {
                            format = 'jpeg';
                            if (request.headers['accept']) {
                                if (request.headers['accept'].value.includes('avif')) {
                                    format = 'avif';
                                } else if (request.headers['accept'].value.includes('webp')) {
                                    format = 'webp';
                                }
                            }
                        }
                        normalizedOperations['format'] = format;
                    }
                    break;
                }
                case 'width':
                    if (request.querystring[operation]['value']) {
                        var width = parseInt(request.querystring[operation]['value']);
                        if (!isNaN(width) && (width > 0)) {
                            normalizedOperations['width'] = width.toString();
                        }
                    }
                    break;
                default: break;
            }
        });
        if (Object.keys(normalizedOperations).length > 0) {
            var normalizedOperationsArray = [];
            if (normalizedOperations.format) normalizedOperationsArray.push('format=' + normalizedOperations.format);
            if (normalizedOperations.width) normalizedOperationsArray.push('width=' + normalizedOperations.width);
            request.uri = originalImagePath + '/' + normalizedOperationsArray.join(',');
        } else {
            request.uri = originalImagePath + '/original';
        }
    } else {
        request.uri = originalImagePath + '/original';
    }
    request['querystring'] = {};
    return request;
}
