export { makeCertificate, type CertificateOptions, type TestCertificate } from './certificates.js';
export { installBreakpoints, type Breakpoint, type Breakpoints } from './breakpoints.js';
export { makeTestClock, type TestClock } from './clock.js';
export { holds, steal, takeFiles, type Recorded } from './disk-thief.js';
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
export { compileCache } from './services/compile-cache.js';
export { serveFake, serves, type FakeOperation } from './services/serve-fake.js';
export { makeServiceHome, type ServiceHome } from './services/service-home.js';
export { workerPorts } from './services/worker-ports.js';
export { startServiceProcess, type ServiceProcess } from './services/service-process.js';
export * from './postgres.js';
