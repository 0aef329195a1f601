import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findHome, profileSchema } from '@keymesh/client';
import { failure } from '@keymesh/contracts';
import { z } from 'zod';

const meshFacts = z.object({
  meshId: z.string(),
  httpPort: z.int(),
  natsUrl: z.string(),
  natsTls: profileSchema.shape.tls,
});
/** Facts that the launcher leaves in `mesh.json`; nothing secret. */
export type MeshFacts = z.output<typeof meshFacts>;

/** KEYMESH_HOME as the CLI sees it; default `.keymesh` of the repository that this CLI belongs to. */
export const cliHome = (home?: string): string =>
  findHome(home ?? process.env.KEYMESH_HOME ?? undefined, join(import.meta.dirname, '..', '..', '..'));

/** @throws MESH_NOT_RUNNING when no launcher was ever started here. */
export async function readMeshFacts(home: string): Promise<MeshFacts> {
  const text = await readFile(join(home, 'mesh.json'), 'utf8').catch(() => undefined);
  const parsed = meshFacts.safeParse(text === undefined ? undefined : JSON.parse(text));
  if (!parsed.success) {
    throw failure('MESH_NOT_RUNNING', {
      publicMessage: `No mesh was started in ${home}. Start it with \`npm start\`, or set KEYMESH_HOME.`,
    });
  }
  return parsed.data;
}

/** Where spans of the CLI go: the standard variable, else the launcher. undefined: nowhere. */
export const traceEndpoint = (facts: MeshFacts | undefined): string | undefined =>
  process.env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ??
  (process.env.OTEL_EXPORTER_OTLP_ENDPOINT === undefined
    ? undefined
    : `${process.env.OTEL_EXPORTER_OTLP_ENDPOINT}/v1/traces`) ??
  (facts === undefined ? undefined : `http://127.0.0.1:${facts.httpPort}/v1/traces`);
