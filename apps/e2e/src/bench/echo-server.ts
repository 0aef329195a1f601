// A bare echo on NATS: what the bus itself costs. Arguments: server URL.
import { connect } from '@nats-io/transport-node';

const nats = await connect({ servers: process.argv[2] ?? '' });
nats.subscribe('bench.bare', {
  queue: 'bench',
  callback: (error, message) => {
    if (error === null) message.respond(message.data);
  },
});
await nats.flush();
process.send?.('ready');
process.on('disconnect', () => process.exit(0));
