export { makeTestClock, type TestClock } from './clock.js';
export { eventually } from './eventually.js';
export { expectCode } from './expect-code.js';
export {
  startNatsServer,
  type NatsPlace,
  type StartNatsServerOptions,
  type TestNatsServer,
} from './nats/nats-server.js';
export { makeTestPrincipal, type TestPrincipal } from './nats/identities.js';
export { startTestMesh, type StartTestMeshOptions, type TestMesh } from './nats/test-mesh.js';
export * from './postgres.js';
