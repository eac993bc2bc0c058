// One CloudFront Function in one file: `qdn function check|run|test` need nothing else.
function handler(event) {
  var request = event.request;
  if (request.uri === '/old') {
    return { statusCode: 301, statusDescription: 'Moved Permanently', headers: { location: { value: '/new/' } } };
  }
  if (request.uri.endsWith('/')) {
    request.uri += 'index.html';
  }
  return request;
}
