// A service that asks for its API key and keeps working through a rotation.
//
//   npx keymesh store billing/session-key --type api_key --generate
//   node examples/rotating-service/service.mjs billing/session-key
//   npx keymesh rotate billing/session-key        (in another terminal)
//
// It serves HTTP on a loopback port: GET / answers which version of the key signs right now.
import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import { connect } from '@keymesh/client';

const name = process.argv[2] ?? 'billing/session-key';
const keymesh = await connect();

// The key in use. The watch replaces it after every new version; requests in flight finish with the one they took.
let current;
const watch = await keymesh.credentials.watch(name, (credential) => {
  const before = current;
  current = credential;
  before?.dispose(); // zeroes the old key
  console.log(`signing with version ${credential.version} of ${name}`);
});

const server = createServer((request, response) => {
  // EXPOSE: the key signs; it is not sent anywhere.
  const signature = createHmac('sha256', current.value.expose()).update(request.url).digest('hex');
  response
    .setHeader('content-type', 'application/json')
    .end(JSON.stringify({ version: current.version, signature }));
});
server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () =>
  console.log(`listening on http://127.0.0.1:${server.address().port}`),
);

const stop = async () => {
  watch.stop();
  server.close();
  current.dispose();
  await keymesh.close();
};
process.once('SIGINT', stop);
process.once('SIGTERM', stop);
