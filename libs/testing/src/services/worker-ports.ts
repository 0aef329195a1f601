/**
 * From where on the meshes of this worker's specs look for free ports, away from those of other workers: a mesh whose server was killed would
 * else find its port taken by another mesh, and never come back.
 */
export function workerPorts(): Record<string, string> {
  const first = 10_000 + 1_000 * Number(process.env.JEST_WORKER_ID ?? 1);
  return {
    KEYMESH_HTTP_PORT: String(first),
    KEYMESH_NATS_PORT: String(first + 300),
    KEYMESH_POSTGRES_PORT: String(first + 600),
  };
}
